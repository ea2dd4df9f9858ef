#include "conf.h"
#include "util.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, LIST, FLAG, INT, LONG };

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
} keys[] = {
	{ "id", TEXT, offsetof(struct conf, id) },
	{ "runtime", TEXT, offsetof(struct conf, runtime) },
	{ "runtime-root", TEXT, offsetof(struct conf, root) },
	{ "runtime-arg", LIST, offsetof(struct conf, runtime_args) },
	{ "base", TEXT, offsetof(struct conf, base) },
	{ "lower", LIST, offsetof(struct conf, lower) },
	{ "upper", TEXT, offsetof(struct conf, upper) },
	{ "work", TEXT, offsetof(struct conf, work) },
	{ "volatile", FLAG, offsetof(struct conf, is_volatile) },
	{ "tty", FLAG, offsetof(struct conf, tty) },
	{ "stdin", FLAG, offsetof(struct conf, stdin) },
	{ "stdin-once", FLAG, offsetof(struct conf, stdin_once) },
	{ "rows", INT, offsetof(struct conf, rows) },
	{ "cols", INT, offsetof(struct conf, cols) },
	{ "log", TEXT, offsetof(struct conf, log) },
	{ "log-size", LONG, offsetof(struct conf, log_size) },
	{ "log-files", INT, offsetof(struct conf, log_files) },
	{ "cgroup", TEXT, offsetof(struct conf, cgroup) },
	{ "monitor", INT, offsetof(struct conf, monitor) },
};

static bool list_add(struct list *l, const char *item)
{
	const char **items = realloc(l->items, (l->count + 1) * sizeof *items);
	if (!items)
		return false;
	l->items = items;
	l->items[l->count++] = item;
	return true;
}

static bool set(struct conf *c, const struct key *k, const char *value)
{
	char *place = (char *)c + k->offset, *end = NULL;
	errno = 0;
	long long number = k->kind == TEXT || k->kind == LIST ? 0 : strtoll(value, &end, 10);
	if (end && (end == value || *end || errno || number < 0 || (k->kind == INT && number > 0x7fffffff)))
		return false;
	switch (k->kind) {
	case TEXT: *(const char **)place = value; return true;
	case LIST: return list_add((struct list *)place, value);
	case FLAG: *(bool *)place = number == 1; return true;
	case INT: *(int *)place = number; return true;
	case LONG: *(long long *)place = number; return true;
	}
	return false;
}

/* What is in the group is killed at the end: it must never be the root group or one outside. */
static bool cgroup_is_own(const char *path)
{
	size_t n = strlen(path);
	return n > 1 && path[0] == '/' && path[n - 1] != '/' && path[n - 1] != '.' && !strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./");
}

static const char *check(const struct conf *c, const char *path)
{
	const char *missing = !c->id ? "id" : !c->runtime ? "runtime" : !c->root ? "runtime-root" : NULL;
	if (!missing && !c->exec)
		missing = !c->base ? "base" : !c->lower.count ? "lower" : !c->cgroup ? "cgroup" : NULL;
	if (!missing && c->exec && !c->monitor)
		missing = "monitor";
	if (missing)
		return line("%s: no %s", path, missing);
	if (!c->upper != !c->work)
		return line("%s: upper and work go together", path);
	if (c->cgroup && !cgroup_is_own(c->cgroup))
		return line("%s: bad cgroup: %.200s", path, c->cgroup);
	return c->log && c->log_files < 1 ? line("%s: log-files must be at least 1", path) : NULL;
}

const char *conf_read(struct conf *c, const char *path)
{
	size_t length = 0;
	char *text = read_file(path, &length);
	if (!text)
		return line("%s: %s", path, strerror(errno));
	for (char *p = text; p < text + length; ) {
		char *next = p + strlen(p) + 1, *value = strchr(p, '=');
		if (!value)
			return line("%s: entry without '=': %.40s", path, p);
		*value++ = 0;
		bool known = false;
		for (size_t i = 0; i < sizeof keys / sizeof *keys && !known; i++)
			if ((known = !strcmp(keys[i].name, p)) && !set(c, &keys[i], value))
				return line("%s: bad value of %s: %.40s", path, p, value);
		if (!known)
			return line("%s: unknown key: %.40s", path, p);
		p = next;
	}
	return check(c, path);
}
