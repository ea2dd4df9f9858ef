/* Argument and error plumbing that every binding of sys.node shares. */
#ifndef BERTH_CALL_H
#define BERTH_CALL_H

#define NAPI_VERSION 8
#include <limits.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALL_MAX_ARGS 8

/* One call from JavaScript. After `failed` is set a TypeError is pending and the binding must return NULL. */
struct call {
	napi_env env;
	napi_value argv[CALL_MAX_ARGS];
	bool failed;
};

/* A path argument, copied out so that it is NUL-terminated. */
struct path {
	char s[PATH_MAX];
};

/* A Uint8Array argument; borrowed, valid for the call. */
struct bytes {
	void *data;
	size_t length;
};

struct call call_begin(napi_env env, napi_callback_info info);
int64_t arg_int(struct call *c, size_t i);
/* A number of 32 bits, signed or not: a descriptor, flags, an id. A wider one is refused, not cut down to another one's number. */
uint32_t arg_word(struct call *c, size_t i);
bool arg_present(struct call *c, size_t i);
/* A string or a Uint8Array. Names with a NUL inside and names of PATH_MAX bytes and more are refused. */
void arg_path(struct call *c, size_t i, struct path *out);
struct bytes arg_bytes(struct call *c, size_t i);

/* Throws an Error in Node's form: message, code, errno (negative), syscall, path. `path` may be NULL. Returns NULL. */
napi_value call_throw(struct call *c, int err, const char *syscall, const char *path);
/* `result` as a number, or errno thrown where it is negative. */
napi_value call_result(struct call *c, int64_t result, const char *syscall, const char *path);

napi_value make_int(napi_env env, int64_t v);
napi_value make_string(napi_env env, const char *s, size_t n);
napi_value make_buffer(napi_env env, const void *data, size_t n);
void set_prop(napi_env env, napi_value object, const char *name, napi_value v);
bool valid_utf8(const char *s, size_t n);

struct binding {
	const char *name;
	napi_callback fn;
};
/* Each group's table ends with a NULL name. */
extern const struct binding fs_bindings[], xattr_bindings[], kernel_bindings[], quota_bindings[];

#endif
