/* Mounts, namespaces, process descriptors, memory; and the module's entry. */
#define _GNU_SOURCE
#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* (source, target, type, flags, data) */
static napi_value mount_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct path source, target, type, data;
	arg_path(&c, 0, &source);
	arg_path(&c, 1, &target);
	arg_path(&c, 2, &type);
	unsigned long flags = arg_int(&c, 3);
	arg_path(&c, 4, &data);
	if (c.failed)
		return NULL;
	return call_result(&c, mount(source.s, target.s, type.s[0] ? type.s : NULL, flags, data.s[0] ? data.s : NULL), "mount",
			   target.s);
}

static napi_value umount2_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct path target;
	arg_path(&c, 0, &target);
	int flags = arg_word(&c, 1);
	if (c.failed)
		return NULL;
	return call_result(&c, umount2(target.s, flags), "umount2", target.s);
}

static napi_value setns_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	int fd = arg_word(&c, 0), type = arg_word(&c, 1);
	if (c.failed)
		return NULL;
	return call_result(&c, setns(fd, type), "setns", NULL);
}

static napi_value unshare_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	int flags = arg_word(&c, 0);
	if (c.failed)
		return NULL;
	return call_result(&c, unshare(flags), "unshare", NULL);
}

static napi_value pidfd_open_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	int pid = arg_word(&c, 0);
	if (c.failed)
		return NULL;
	return call_result(&c, syscall(SYS_pidfd_open, pid, 0), "pidfd_open", NULL);
}

static napi_value pidfd_send_signal_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	int fd = arg_word(&c, 0), signal = arg_word(&c, 1);
	if (c.failed)
		return NULL;
	return call_result(&c, syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0), "pidfd_send_signal", NULL);
}

/* A connected, non-blocking datagram socket: node:dgram has none for unix. */
static napi_value connect_datagram_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct path path;
	arg_path(&c, 0, &path);
	if (c.failed)
		return NULL;
	size_t n = strlen(path.s);
	if (n >= sizeof address.sun_path)
		return call_throw(&c, ENAMETOOLONG, "connect", path.s);
	memcpy(address.sun_path, path.s, n);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		int err = errno;
		close(fd);
		return call_throw(&c, err, "connect", path.s);
	}
	return call_result(&c, fd, "socket", path.s);
}

/* The program itself comes first (dl_iterate_phdr(3)); segments that can be written to may hold pages that are not the file's. */
static int drop_program(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	int *result = data;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || (p->p_flags & PF_W))
			continue;
		uintptr_t begin = (info->dlpi_addr + p->p_vaddr + page) & ~page;
		uintptr_t end = (info->dlpi_addr + p->p_vaddr + p->p_filesz) & ~page;
		if (begin < end && madvise((void *)begin, end - begin, MADV_DONTNEED) < 0)
			*result = -1;
	}
	return 1;
}

static napi_value drop_code_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	int result = 0;
	dl_iterate_phdr(drop_program, &result);
	return call_result(&c, result, "madvise", NULL);
}

static napi_value end_with_parent_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	int64_t parent = arg_int(&c, 0);
	if (c.failed)
		return NULL;
	int result = prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have ended before. */
	if (result == 0 && getppid() != parent) {
		errno = ESRCH;
		result = -1;
	}
	return call_result(&c, result, "prctl", NULL);
}

const struct binding kernel_bindings[] = {
	{ "mount", mount_binding },	      { "umount2", umount2_binding },
	{ "setns", setns_binding },	      { "unshare", unshare_binding },
	{ "pidfdOpen", pidfd_open_binding },  { "pidfdSendSignal", pidfd_send_signal_binding },
	{ "dropCode", drop_code_binding },    { "connectDatagram", connect_datagram_binding },
	{ "endWithParent", end_with_parent_binding },
	{ NULL, NULL },
};

NAPI_MODULE_INIT()
{
	const struct binding *groups[] = { fs_bindings, xattr_bindings, kernel_bindings, quota_bindings };
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
		for (const struct binding *b = groups[g]; b->name; b++) {
			napi_value fn;
			if (napi_create_function(env, b->name, NAPI_AUTO_LENGTH, b->fn, NULL, &fn) != napi_ok)
				return NULL;
			set_prop(env, exports, b->name, fn);
		}
	return exports;
}
