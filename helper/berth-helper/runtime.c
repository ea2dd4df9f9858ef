/* The OCI runtime's command line (runc's, which crun and others share). All paths but --root are relative to the working folder <dir>. */
#define _GNU_SOURCE
#include "helper.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG "runtime.log"
#define PID_FILE "runtime.pid"
#define MAX_ARGS 64

struct argv {
	const char *items[MAX_ARGS + 1];
	size_t n;
};

static void push(struct argv *a, const char *item)
{
	if (a->n < MAX_ARGS)
		a->items[a->n++] = item;
}

static void push_all(struct argv *a, const char *const *items)
{
	for (; *items; items++)
		push(a, *items);
}

static void push_global(struct argv *a)
{
	push_all(a, (const char *const[]){ h.conf.runtime, "--root", h.conf.root, "--log", LOG, "--log-format", "json", NULL });
	for (size_t i = 0; i < h.conf.runtime_args.count; i++)
		push(a, h.conf.runtime_args.items[i]);
}

/*
 * The child leads a process group, so that whatever it starts can be killed with it. It gets the caller's environment but for what would make
 * the runtime talk to the daemon's own supervisor.
 */
static pid_t spawn(struct argv *a, const int fds[3])
{
	pid_t pid = fork();
	if (pid > 0)
		setpgid(pid, pid); /* Here and in the child: whoever comes first. */
	if (pid != 0)
		return pid;
	setpgid(0, 0);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(126);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(0022);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	execv(h.conf.runtime, (char *const *)a->items);
	dprintf(2, "%s: %s\n", h.conf.runtime, strerror(errno));
	_exit(127);
}

pid_t runtime_launch(void)
{
	struct argv a = { .n = 0 };
	int fds[3];
	push_global(&a);
	if (h.conf.exec)
		push_all(&a, (const char *const[]){ "exec", "--detach", "--process", "process.json", NULL });
	else
		push_all(&a, (const char *const[]){ "run", "--detach", "--bundle", h.conf.dir, NULL });
	push_all(&a, (const char *const[]){ "--pid-file", PID_FILE, NULL });
	if (h.conf.tty)
		push_all(&a, (const char *const[]){ "--console-socket", "console.sock", NULL });
	push(&a, h.conf.id);
	unlink(LOG);
	unlink(PID_FILE);
	stdio_child(fds);
	return spawn(&a, fds);
}

pid_t runtime_delete(void)
{
	struct argv a = { .n = 0 };
	push_global(&a);
	push_all(&a, (const char *const[]){ "delete", "--force", h.conf.id, NULL });
	return spawn(&a, (const int[]){ 0, 1, 2 });
}

pid_t runtime_init_pid(void)
{
	char *text = read_file(PID_FILE, NULL);
	pid_t pid = text ? (pid_t)strtol(text, NULL, 10) : 0;
	free(text);
	unlink(PID_FILE);
	return pid > 0 ? pid : 0;
}

/* The last line that is not empty, in place. */
static char *last_line(char *text)
{
	size_t n = strlen(text);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
		text[--n] = 0;
	char *newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

const char *runtime_error(int status)
{
	static char text[4096];
	char *log = read_file(LOG, NULL), *message = log ? last_line(log) : NULL;
	if (!message || !*message) {
		text[stdio_stderr_text(text, sizeof text - 1)] = 0;
		message = last_line(text);
	}
	const char *error = *message ? line("%.4000s", message) :
			    WIFSIGNALED(status) ? line("%s: killed by signal %d", h.conf.runtime, WTERMSIG(status)) :
						  line("%s: exit code %d", h.conf.runtime, WEXITSTATUS(status));
	free(log);
	return error;
}

bool runtime_is_plain(void)
{
	const char *slash = strrchr(h.conf.runtime, '/'), *name = slash ? slash + 1 : h.conf.runtime;
	return !strcmp(name, "crun") || !strcmp(name, "runc");
}
