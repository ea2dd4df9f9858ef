/*
 * The helper's one state, and how its parts call each other. Life: CREATED (mounts made, sockets listen) → STARTING (the OCI runtime
 * runs) → RUNNING → EXITED (what is left is read, told, removed), then the process ends.
 */
#ifndef BERTH_HELPER_H
#define BERTH_HELPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf.h"
#include "log.h"

enum state { CREATED, STARTING, RUNNING, EXITED };

struct helper {
	struct conf conf;
	enum state state;
	pid_t init;    /* first process; a child of ours that is not reaped while RUNNING */
	pid_t runtime; /* the OCI runtime's process, 0: none */
	int code, signal;
	bool oom;
	int64_t started, finished;
	const char *error; /* the runtime's message; NULL: it started */
	bool gone;	   /* all is removed: only slow clients are left */
};
extern struct helper h;

/* supervise.c */
bool supervise_init(void);
/* Runs until the helper may end. */
void supervise(void);
/* NULL, or why the container cannot be started now. The outcome comes as an event. */
const char *supervise_start(void);
/* True while the container has not started: nothing runs, or the OCI runtime is still at work. */
bool supervise_can_quit(void);
/* Gives up a container that has not started. */
void supervise_quit(void);

/* runtime.c */
/* Starts `run` or `exec`. Returns its pid, or -1. */
pid_t runtime_launch(void);
/* Starts `delete --force`. Returns its pid, or -1. */
pid_t runtime_delete(void);
/* The first process's pid once the runtime has ended well, or 0. */
pid_t runtime_init_pid(void);
/* The last message that the runtime left, on one line: a JSON object or text. */
const char *runtime_error(int status);
/* True for the runtimes whose state is a folder and the cgroups, nothing else. */
bool runtime_is_plain(void);

/* init.c */
int run_init(int argc, char **argv);

/* net.c */
int run_net(void);

/* stdio.c */
const char *stdio_prepare(void);
void stdio_child(int fds[3]);
/* The runtime has ended well: its ends are closed and output is read from now on. */
void stdio_running(void);
/* What the runtime wrote to its stderr. */
size_t stdio_stderr_text(char *out, size_t size);
/* False where there is no terminal. */
bool stdio_resize(int rows, int cols);
/* The first process is dead: reads what is there now, without waiting, and closes everything. */
void stdio_finish(void);
/* Whether the container takes input at once. */
bool stdin_room(void);
/* Moves input from a client; 0: the client has ended its side. -1: nothing now. */
ssize_t stdin_read(int client);
void stdin_client_ended(void);
/* Called when a client's buffer has room again. */
void output_resume(void);

/* server.c */
const char *server_listen(void);
/* Sends one line to every control connection. */
void server_tell(const char *text);
bool server_has_control(void);
/* Hands output to the attached clients. */
void server_output(enum stream stream, const char *data, size_t n);
/* Whether every client of the stream can take `n` more bytes. */
bool server_room(enum stream stream, size_t n);
/* Begins or stops reading stdin from clients, as stdin_room() says. */
void server_stdin_changed(void);
/* No more output: every attached client is closed once it has all. */
void server_end_output(void);
/* Closes the socket and the control connections. */
void server_end_control(void);
/* Attached clients that still wait for output. Those that took nothing since `deadline` (clock_ms) are cut. */
bool server_pending(int64_t deadline);

#endif
