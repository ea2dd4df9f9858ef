/* Extended attributes, by path (l: the link itself) and by descriptor. The first argument is a path, or a number: a descriptor. */
#define _GNU_SOURCE
#include "call.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* What the attribute is on. */
struct target {
	struct path path;
	int fd;
	bool by_fd; /* else by `path` */
};

static void arg_target(struct call *c, size_t i, struct target *t)
{
	napi_valuetype type = napi_undefined;
	t->fd = -1;
	t->by_fd = false;
	t->path.s[0] = 0;
	if (!c->failed && napi_typeof(c->env, c->argv[i], &type) == napi_ok && type == napi_number) {
		t->by_fd = true;
		t->fd = arg_word(c, i);
	} else {
		arg_path(c, i, &t->path);
	}
}

static const char *shown(const struct target *t)
{
	return t->by_fd ? NULL : t->path.s;
}

static napi_value getxattr_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct target t;
	struct path name;
	static _Thread_local char value[XATTR_SIZE_MAX];
	arg_target(&c, 0, &t);
	arg_path(&c, 1, &name);
	if (c.failed)
		return NULL;
	ssize_t n = t.by_fd ? fgetxattr(t.fd, name.s, value, sizeof value) :
			      lgetxattr(t.path.s, name.s, value, sizeof value);
	if (n >= 0)
		return make_buffer(env, value, n);
	if (errno != ENODATA)
		return call_throw(&c, errno, "getxattr", shown(&t));
	napi_value undefined;
	napi_get_undefined(env, &undefined);
	return undefined;
}

static napi_value setxattr_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct target t;
	struct path name;
	arg_target(&c, 0, &t);
	arg_path(&c, 1, &name);
	struct bytes value = arg_bytes(&c, 2);
	int flags = arg_word(&c, 3);
	if (c.failed)
		return NULL;
	const void *data = value.length ? value.data : "";
	int r = t.by_fd ? fsetxattr(t.fd, name.s, data, value.length, flags) :
			  lsetxattr(t.path.s, name.s, data, value.length, flags);
	return call_result(&c, r, "setxattr", shown(&t));
}

static napi_value removexattr_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct target t;
	struct path name;
	arg_target(&c, 0, &t);
	arg_path(&c, 1, &name);
	if (c.failed)
		return NULL;
	int r = t.by_fd ? fremovexattr(t.fd, name.s) : lremovexattr(t.path.s, name.s);
	return call_result(&c, r, "removexattr", shown(&t));
}

static napi_value listxattr_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct target t;
	static _Thread_local char names[XATTR_LIST_MAX];
	arg_target(&c, 0, &t);
	if (c.failed)
		return NULL;
	ssize_t n = t.by_fd ? flistxattr(t.fd, names, sizeof names) : llistxattr(t.path.s, names, sizeof names);
	if (n < 0)
		return call_throw(&c, errno, "listxattr", shown(&t));
	napi_value out;
	napi_create_array(env, &out);
	uint32_t count = 0;
	for (char *p = names; p < names + n; p += strlen(p) + 1)
		napi_set_element(env, out, count++, make_string(env, p, strlen(p)));
	return out;
}

const struct binding xattr_bindings[] = {
	{ "getxattr", getxattr_binding },
	{ "setxattr", setxattr_binding },
	{ "removexattr", removexattr_binding },
	{ "listxattr", listxattr_binding },
	{ NULL, NULL },
};
