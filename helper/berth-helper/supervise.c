/* The life of the container: start, exit, and what is done about each. */
#define _GNU_SOURCE
#include "helper.h"
#include "cgroup.h"
#include "loop.h"
#include "mounts.h"
#include "rotate.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A container that nobody starts and no daemon asks about is given up after this. */
#define UNCLAIMED_MS 60000
/* A client that takes no output for this long after the end is cut. */
#define LINGER_MS 30000
#define TEARDOWN_MS 5000
#define NEVER_STARTED 128

struct helper h;

static void signals_ready(struct source *s, uint32_t events);
static void oom_ready(struct source *s, uint32_t events);
static struct source signals = { -1, 0, signals_ready };
static struct source oom = { -1, 0, oom_ready };
static int64_t unclaimed_since, teardown_until;
static bool quitting;

bool supervise_init(void)
{
	/* Only SIGKILL ends a monitor: a daemon's supervisor that signals the whole group must not end containers. */
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGTTOU, SIGTTIN };
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return false;
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signals.fd >= 0 && loop_want(&signals, EPOLLIN);
}

static void write_exit(void)
{
	char text[4400];
	snprintf(text, sizeof text, "%d %d %d %lld %lld\n%s\n", h.code, h.signal, h.oom, (long long)h.started,
		 (long long)h.finished, h.error ? h.error : "");
	/* Not synced: the folder is the daemon's volatile one, which tells of this boot only. */
	write_atomic("exit", text);
}

static void remove_state(void)
{
	int root = open(h.conf.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return;
	remove_tree(root, h.conf.id);
	close(root);
}

/* All is told and removed. Control connections are closed last: their end is what "gone" means. */
static void finish(void)
{
	if (!h.conf.exec)
		mounts_drop();
	unlink("sock");
	unlink("pid");
	unlink("runtime.log");
	unlink("runtime.err");
	unlink("console.sock");
	h.gone = true;
	server_end_control();
}

/*
 * Removes what the runtime made. For crun and runc that is a folder and the cgroups, so it is done here at a fraction of the cost of
 * `delete --force`, which stays the way for other runtimes and for groups that do not empty.
 */
static void teardown(void)
{
	if (h.conf.exec || h.gone)
		return finish();
	bool plain = runtime_is_plain();
	if (cgroup_remove() && (plain || h.error)) {
		remove_state();
		return finish();
	}
	if (plain && clock_ms() < teardown_until)
		return;
	teardown_until = 0;
	h.runtime = runtime_delete();
	if (h.runtime < 0) {
		h.runtime = 0;
		remove_state();
		finish();
	}
}

/* Told while the container runs; an end that comes with it is told after it. */
static void oom_ready(struct source *s, uint32_t events)
{
	(void)events;
	if (h.state != RUNNING || !cgroup_oom_news(s->fd))
		return;
	h.oom = true;
	server_tell("oom");
}

static void oom_watch(void)
{
	oom.fd = cgroup_oom_watch();
	if (oom.fd >= 0)
		loop_want(&oom, EPOLLIN);
}

static void oom_unwatch(void)
{
	if (oom.fd < 0)
		return;
	oom_ready(&oom, 0);
	loop_want(&oom, 0);
	close(oom.fd);
	oom.fd = -1;
}

static void end(int code, int sig)
{
	oom_unwatch();
	h.code = code;
	h.signal = sig;
	h.finished = now_ms();
	if (!h.error)
		stdio_finish();
	h.state = EXITED;
	h.oom = h.oom || (!h.conf.exec && cgroup_oom_killed());
	server_tell(line("exited %d %d %d %lld %lld %s", h.code, h.signal, h.oom, (long long)h.started, (long long)h.finished,
			 h.error ? h.error : ""));
	server_end_output();
	write_exit();
	teardown_until = clock_ms() + TEARDOWN_MS;
	teardown();
}

static void fail(const char *error)
{
	h.error = strdup(error);
	if (!h.conf.exec)
		cgroup_find(0, h.conf.cgroup);
	char *reply = strdup(line("start error %s", h.error ? h.error : "out of memory"));
	server_tell(reply ? reply : "start error out of memory");
	free(reply);
	end(NEVER_STARTED, 0);
}

static void runtime_ended(int status)
{
	h.runtime = 0;
	h.init = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? runtime_init_pid() : 0;
	if (!h.init)
		return fail(runtime_error(status));
	h.started = now_ms();
	h.state = RUNNING;
	char text[64];
	snprintf(text, sizeof text, "%d %llu\n", (int)h.init, start_time(h.init));
	write_atomic("pid", text);
	server_tell(line("running %d %lld", (int)h.init, (long long)h.started));
	if (!h.conf.exec) {
		cgroup_find(h.init, h.conf.cgroup);
		oom_watch();
	}
	stdio_running();
	/* The runtime was done before the signal came. */
	if (quitting)
		kill(h.init, SIGKILL);
}

/* While the runtime starts, only it is reaped: the first process must not be taken for an orphan before its pid is known. */
static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(h.state == STARTING ? h.runtime : -1, &status, WNOHANG)) > 0) {
		if (h.state == STARTING) {
			runtime_ended(status);
		} else if (h.state == RUNNING && pid == h.init) {
			bool killed = WIFSIGNALED(status);
			end(killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status), killed ? WTERMSIG(status) : 0);
		} else if (h.state == EXITED && pid == h.runtime) {
			h.runtime = 0;
			cgroup_remove();
			remove_state();
			finish();
		} else {
			rotate_reaped(pid, status);
		}
	}
}

static void signals_ready(struct source *s, uint32_t events)
{
	(void)events;
	struct signalfd_siginfo info[4];
	while (read(s->fd, info, sizeof info) > 0)
		;
	reap();
}

const char *supervise_start(void)
{
	if (h.state != CREATED)
		return "started already";
	h.runtime = runtime_launch();
	if (h.runtime < 0) {
		h.runtime = 0;
		return strerror(errno);
	}
	h.state = STARTING;
	return NULL;
}

bool supervise_can_quit(void)
{
	return h.state == CREATED || (h.state == STARTING && !h.conf.exec);
}

/* A runtime that is at work is killed with all that it started; its end is then handled as that of a failed start. */
void supervise_quit(void)
{
	quitting = true;
	if (h.state == STARTING)
		kill(-h.runtime, SIGKILL);
}

static void quit(void)
{
	h.state = EXITED;
	server_end_output();
	finish();
}

/* Milliseconds until something is due, -1: nothing is. */
static int due(void)
{
	if (h.state == EXITED && !h.gone)
		return h.runtime ? -1 : 2;
	if (h.gone)
		return 1000;
	if (h.state == CREATED && !server_has_control())
		return 1000;
	return -1;
}

static void tick(void)
{
	if (h.state == EXITED && !h.gone && !h.runtime)
		teardown();
	if (h.state != CREATED || server_has_control())
		unclaimed_since = clock_ms();
	if (h.state == CREATED && (quitting || clock_ms() - unclaimed_since > UNCLAIMED_MS))
		quit();
}

void supervise(void)
{
	unclaimed_since = clock_ms();
	while (!h.gone || server_pending(clock_ms() - LINGER_MS)) {
		loop_step(due());
		tick();
	}
}
