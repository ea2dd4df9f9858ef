#define _GNU_SOURCE
#include "call.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct call call_begin(napi_env env, napi_callback_info info)
{
	struct call c = { .env = env };
	size_t argc = CALL_MAX_ARGS;
	if (napi_get_cb_info(env, info, &argc, c.argv, NULL, NULL) != napi_ok)
		c.failed = true;
	return c;
}

static void bad_type(struct call *c, size_t i, const char *want)
{
	if (c->failed)
		return;
	c->failed = true;
	char text[80];
	snprintf(text, sizeof text, "argument %zu: %s expected", i + 1, want);
	napi_throw_type_error(c->env, "ERR_INVALID_ARG_TYPE", text);
}

int64_t arg_int(struct call *c, size_t i)
{
	int64_t v = 0;
	if (!c->failed && napi_get_value_int64(c->env, c->argv[i], &v) != napi_ok)
		bad_type(c, i, "number");
	return v;
}

uint32_t arg_word(struct call *c, size_t i)
{
	double v = 0;
	if (!c->failed && napi_get_value_double(c->env, c->argv[i], &v) != napi_ok)
		bad_type(c, i, "number");
	if (c->failed)
		return UINT32_MAX;
	if (v >= INT32_MIN && v <= UINT32_MAX && v == (double)(int64_t)v)
		return (uint32_t)(int64_t)v;
	c->failed = true;
	char text[80];
	snprintf(text, sizeof text, "argument %zu: a whole number of 32 bits expected", i + 1);
	napi_throw_range_error(c->env, "ERR_OUT_OF_RANGE", text);
	return UINT32_MAX;
}

bool arg_present(struct call *c, size_t i)
{
	napi_valuetype type = napi_undefined;
	return !c->failed && napi_typeof(c->env, c->argv[i], &type) == napi_ok && type != napi_undefined;
}

struct bytes arg_bytes(struct call *c, size_t i)
{
	struct bytes b = { NULL, 0 };
	napi_typedarray_type type;
	if (c->failed)
		return b;
	if (napi_get_typedarray_info(c->env, c->argv[i], &type, &b.length, &b.data, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array) {
		bad_type(c, i, "Uint8Array");
		b = (struct bytes){ NULL, 0 };
	}
	return b;
}

void arg_path(struct call *c, size_t i, struct path *out)
{
	out->s[0] = 0;
	if (c->failed)
		return;
	napi_valuetype type = napi_undefined;
	size_t n = 0;
	napi_typeof(c->env, c->argv[i], &type);
	if (type == napi_string) {
		if (napi_get_value_string_utf8(c->env, c->argv[i], NULL, 0, &n) != napi_ok)
			return bad_type(c, i, "string");
		if (n < sizeof out->s)
			napi_get_value_string_utf8(c->env, c->argv[i], out->s, sizeof out->s, &n);
	} else {
		struct bytes b = arg_bytes(c, i);
		if (c->failed)
			return;
		n = b.length;
		if (n && n < sizeof out->s)
			memcpy(out->s, b.data, n);
	}
	if (n >= sizeof out->s) {
		out->s[0] = 0;
		c->failed = true;
		call_throw(c, ENAMETOOLONG, "path", NULL);
		return;
	}
	out->s[n] = 0;
	if (strlen(out->s) != n) {
		c->failed = true;
		call_throw(c, EINVAL, "path", out->s);
	}
}

napi_value call_throw(struct call *c, int err, const char *syscall, const char *path)
{
	napi_env env = c->env;
	const char *name = strerrorname_np(err), *text = strerror(err);
	char code[24], message[PATH_MAX + 160];
	if (name)
		snprintf(code, sizeof code, "%s", name);
	else
		snprintf(code, sizeof code, "E%d", err);
	snprintf(message, sizeof message, path ? "%s: %c%s, %s '%s'" : "%s: %c%s, %s", code, tolower(text[0]), text + 1,
		 syscall, path);
	napi_value error, message_value = make_string(env, message, strlen(message));
	napi_value code_value = make_string(env, code, strlen(code));
	if (napi_create_error(env, code_value, message_value, &error) != napi_ok)
		return NULL;
	set_prop(env, error, "errno", make_int(env, -err));
	set_prop(env, error, "syscall", make_string(env, syscall, strlen(syscall)));
	if (path)
		set_prop(env, error, "path", make_string(env, path, strlen(path)));
	napi_throw(env, error);
	return NULL;
}

napi_value call_result(struct call *c, int64_t result, const char *syscall, const char *path)
{
	return result < 0 ? call_throw(c, errno, syscall, path) : make_int(c->env, result);
}

napi_value make_int(napi_env env, int64_t v)
{
	napi_value out = NULL;
	napi_create_int64(env, v, &out);
	return out;
}

napi_value make_string(napi_env env, const char *s, size_t n)
{
	napi_value out = NULL;
	napi_create_string_utf8(env, s, n, &out);
	return out;
}

napi_value make_buffer(napi_env env, const void *data, size_t n)
{
	napi_value out = NULL;
	napi_create_buffer_copy(env, n, n ? data : "", NULL, &out);
	return out;
}

void set_prop(napi_env env, napi_value object, const char *name, napi_value v)
{
	napi_set_named_property(env, object, name, v);
}

bool valid_utf8(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;
	while (p < end) {
		unsigned char c = *p;
		int more = c < 0x80 ? 0 : c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : -1;
		if (more < 0 || end - p <= more)
			return false;
		for (int i = 1; i <= more; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
		    (c == 0xf4 && p[1] > 0x8f))
			return false;
		p += 1 + more;
	}
	return true;
}
