#include "conf.h"
#include "util.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, LIST, FLAG, INT, LONG, STAGE };

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
} keys[] = {
	{ "id", TEXT, offsetof(struct conf, id) },
	{ "runtime", TEXT, offsetof(struct conf, runtime) },
	{ "runtime-root", TEXT, offsetof(struct conf, root) },
	{ "runtime-arg", LIST, offsetof(struct conf, runtime_args) },
	{ "base", TEXT, offsetof(struct conf, rootfs.base) },
	{ "lower", LIST, offsetof(struct conf, rootfs.lower) },
	{ "upper", TEXT, offsetof(struct conf, rootfs.upper) },
	{ "work", TEXT, offsetof(struct conf, rootfs.work) },
	{ "volatile", FLAG, offsetof(struct conf, rootfs.is_volatile) },
	{ "tty", FLAG, offsetof(struct conf, tty) },
	{ "stdin", FLAG, offsetof(struct conf, stdin) },
	{ "stdin-once", FLAG, offsetof(struct conf, stdin_once) },
	{ "rows", INT, offsetof(struct conf, rows) },
	{ "cols", INT, offsetof(struct conf, cols) },
	{ "log", TEXT, offsetof(struct conf, log) },
	{ "log-size", LONG, offsetof(struct conf, log_size) },
	{ "log-files", INT, offsetof(struct conf, log_files) },
	{ "log-compress", FLAG, offsetof(struct conf, log_compress) },
	{ "log-raw", FLAG, offsetof(struct conf, log_raw) },
	{ "log-attrs", TEXT, offsetof(struct conf, log_attrs) },
	{ "cgroup", TEXT, offsetof(struct conf, cgroup) },
	{ "monitor", INT, offsetof(struct conf, monitor) },
	{ "stage", STAGE, 0 },
};

/* Keys of the last stage. */
static const struct key stage_keys[] = {
	{ "stage-base", TEXT, offsetof(struct stage, layers.base) },
	{ "stage-lower", LIST, offsetof(struct stage, layers.lower) },
	{ "stage-sub", TEXT, offsetof(struct stage, sub) },
	{ "stage-shared", FLAG, offsetof(struct stage, shared) },
	{ "stage-alone", FLAG, offsetof(struct stage, alone) },
	{ "stage-uids", TEXT, offsetof(struct stage, uids) },
	{ "stage-gids", TEXT, offsetof(struct stage, gids) },
	{ "stage-secret", FLAG, offsetof(struct stage, secret) },
	{ "stage-uid", INT, offsetof(struct stage, uid) },
	{ "stage-gid", INT, offsetof(struct stage, gid) },
	{ "stage-mode", INT, offsetof(struct stage, mode) },
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

static bool stage_add(struct conf *c, const char *source)
{
	struct stage *stages = realloc(c->stages, (c->stage_count + 1) * sizeof *stages);
	if (!stages)
		return false;
	c->stages = stages;
	c->stages[c->stage_count++] = (struct stage){ .source = source, .tree = -1 };
	return true;
}

static bool set(void *object, const struct key *k, const char *value)
{
	char *place = (char *)object + k->offset, *end = NULL;
	errno = 0;
	long long number = k->kind == TEXT || k->kind == LIST || k->kind == STAGE ? 0 : strtoll(value, &end, 10);
	if (end && (end == value || *end || errno || number < 0 || (k->kind == INT && number > 0x7fffffff)))
		return false;
	switch (k->kind) {
	case TEXT: *(const char **)place = value; return true;
	case LIST: return list_add((struct list *)place, value);
	case FLAG: *(bool *)place = number == 1; return true;
	case INT: *(int *)place = number; return true;
	case LONG: *(long long *)place = number; return true;
	case STAGE: return stage_add(object, value);
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
		missing = !c->rootfs.base ? "base" : !c->rootfs.lower.count ? "lower" : !c->cgroup ? "cgroup" : NULL;
	if (!missing && c->exec && !c->monitor)
		missing = "monitor";
	if (missing)
		return line("%s: no %s", path, missing);
	if (!c->rootfs.upper != !c->rootfs.work)
		return line("%s: upper and work go together", path);
	for (size_t i = 0; i < c->stage_count; i++) {
		const struct stage *s = &c->stages[i];
		if (!*s->source && (!s->layers.base || !s->layers.lower.count))
			return line("%s: stage %zu has no source", path, i);
		if (!s->uids != !s->gids)
			return line("%s: stage %zu: uids and gids go together", path, i);
	}
	if (c->cgroup && !cgroup_is_own(c->cgroup))
		return line("%s: bad cgroup: %.200s", path, c->cgroup);
	return c->log && c->log_files < 1 ? line("%s: log-files must be at least 1", path) : NULL;
}

static const struct key *find(const struct key *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
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
		const struct key *k = find(keys, sizeof keys / sizeof *keys, p);
		void *object = c;
		if (!k && c->stage_count > 0) {
			k = find(stage_keys, sizeof stage_keys / sizeof *stage_keys, p);
			object = &c->stages[c->stage_count - 1];
		}
		if (!k)
			return line("%s: unknown key: %.40s", path, p);
		if (!set(object, k, value))
			return line("%s: bad value of %s: %.40s", path, p, value);
		p = next;
	}
	return check(c, path);
}
