// SPDX-License-Identifier: Apache-2.0
/* vaultfs put: one version, of what the command line says. As with the official client it is all that is
 * in the secret then, unless --merge keeps the other fields. */

#include "cmd/kv/kv_commands.h"

#include "base/visible.h"
#include "cli/help.h"
#include "remote/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX (32u << 20)

enum { CAS, MERGE };

static const struct flag flags[] = {
	{0, "cas", "N", "only if N is the latest version; 0: if there is none"},
	{'m', "merge", NULL, "keep the other fields"},
	{0},
};

/* The fields to write. Names point into the command line, and into `documents`. */
struct put {
	struct kv_change *changes;
	struct buf *texts; /* of what was read from files; one for each word */
	struct kv_version **documents;
	size_t count, room, words;
	bool stdin_read;
};

static void put_fini(struct put *p)
{
	for (size_t i = 0; i < p->words; i++) {
		if (p->texts)
			buf_fini(&p->texts[i]);
		if (p->documents)
			object_put(p->documents[i]);
	}
	free(p->texts);
	free(p->documents);
	free(p->changes);
}

static int add(struct put *p, struct kv_change change, struct err *err)
{
	if (p->count == p->room) {
		size_t room = p->room ? p->room * 2 : 16;
		struct kv_change *more = realloc(p->changes, room * sizeof(*more));

		if (!more)
			return err_set(err, ENOMEM, "no memory");
		p->changes = more;
		p->room = room;
	}
	p->changes[p->count++] = change;
	return 0;
}

/* "k=v", "k=@file", "k=-"; "k=\@v" is a value that begins with '@', and "@k=v" the field "@k". */
static int add_pair(struct remote *r, struct put *p, size_t i, const char *word, struct err *err)
{
	const char *value = strchr(word, '=');
	struct kv_change change = {.name = word, .name_len = (size_t)(value - word)};
	int s = 0;

	value++;
	change.text = value;
	change.len = strlen(value);
	if (!strcmp(value, "-") && p->stdin_read)
		return remote_wrong(r, err, "standard input is one value, and not %.*s too",
				    (int)change.name_len, word);
	if (*value == '@' || !strcmp(value, "-")) {
		p->stdin_read |= !strcmp(value, "-");
		s = remote_read_file(r, *value == '@' ? value + 1 : value, VALUE_MAX, &p->texts[i],
				     err);
		change.text = p->texts[i].data ? p->texts[i].data : "";
		change.len = p->texts[i].len;
	} else if (!strncmp(value, "\\@", 2)) {
		change.text++;
		change.len--;
	}
	change.binary = !kv_is_text(change.text, change.len);
	return s < 0 ? s : add(p, change, err);
}

/* "@file", "-": an object, of which the members are fields. */
static int add_document(struct remote *r, struct put *p, size_t i, const char *word,
			struct err *err)
{
	const char *file = *word == '@' ? word + 1 : word;
	_cleanup_json_ cJSON *json = NULL;
	struct json_where where;
	struct kv_version *v;
	int s = remote_read_file(r, file, VALUE_MAX, &p->texts[i], err);

	if (s == 0)
		s = json_parse(p->texts[i].data, p->texts[i].len, &json, &where);
	if (s == -EINVAL && !r->local)
		return remote_wrong(r, err, "%s, line %zu, column %zu: %s", file, where.line,
				    where.column, where.what);
	if (s == 0 && (!cJSON_IsObject(json) || kv_version_parse(json, NULL, &v) < 0))
		return remote_wrong(r, err, "%s is no JSON object, or has a name twice", file);
	if (s < 0)
		return s;
	p->documents[i] = v;
	for (size_t k = 0; s == 0 && k < v->count; k++)
		s = add(p,
			(struct kv_change){.name = v->fields[k].name,
					   .name_len = v->fields[k].name_len,
					   .type = v->fields[k].type,
					   .stored = true,
					   .text = v->fields[k].text,
					   .len = v->fields[k].len},
			err);
	return s;
}

static int compare_names(const void *a, const void *b)
{
	const struct kv_change *x = *(const struct kv_change *const *)a;
	const struct kv_change *y = *(const struct kv_change *const *)b;
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int d = memcmp(x->name, y->name, len);

	return d ? d : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

/* The official client makes a list of two values of a name; nobody means the last alone. */
static int check_each_once(struct remote *r, const struct put *p, struct err *err)
{
	_cleanup_free_ const struct kv_change **sorted = calloc(p->count + 1, sizeof(*sorted));

	if (!sorted)
		return err_set(err, ENOMEM, "no memory");
	for (size_t i = 0; i < p->count; i++)
		sorted[i] = &p->changes[i];
	qsort(sorted, p->count, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < p->count; i++)
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
			return remote_wrong(r, err,
					    "%.*s is named twice, and nothing was written: give it "
					    "one value; a list can be had by @FILE, as JSON",
					    (int)sorted[i]->name_len, sorted[i]->name);
	return 0;
}

static int read_words(struct remote *r, struct put *p, struct err *err)
{
	int s = 0;

	p->words = (size_t)r->flags.count;
	p->texts = calloc(p->words, sizeof(*p->texts));
	p->documents = calloc(p->words, sizeof(*p->documents));
	if (!p->texts || !p->documents)
		return err_set(err, ENOMEM, "no memory");
	for (size_t i = 1; s == 0 && i < p->words; i++) {
		const char *word = r->flags.words[i];

		if (strchr(word, '='))
			s = add_pair(r, p, i, word, err);
		else if (*word == '@' || !strcmp(word, "-"))
			s = add_document(r, p, i, word, err);
		else
			s = remote_wrong(r, err, "write NAME=VALUE, NAME=@FILE, NAME=- or @FILE");
	}
	return s < 0 ? s : check_each_once(r, p, err);
}

static int write_version(struct remote *r, const struct place *at, const struct put *p,
			 long long cas, struct err *err)
{
	const struct secret_change change = {.fields = p->changes,
					     .count = p->count,
					     .whole = !r->flags.value[MERGE],
					     .blind = true,
					     .cas = cas < 0 ? KV_ANY : cas};
	struct secret_outcome out;
	int s = remote_change(r, at, &change, &out, err);

	if (s == 0 && !(kv_traits(r->kv, at->path) & KV_FLAT))
		visible_print(stdout, "%s: version %" PRId64 "\n", at->full, out.made->number);
	object_put(out.made);
	return s;
}

static int put_into(struct remote *r, struct put *p, struct err *err)
{
	_cleanup_place_ struct place at = {0};
	long long cas = -1;
	int s;

	if (r->flags.value[CAS] && flags_number(r->flags.value[CAS], &cas) < 0)
		return remote_wrong(r, err, "%s is no version's number", r->flags.value[CAS]);
	s = read_words(r, p, err);
	if (s == 0)
		s = remote_find(r, r->flags.words[0], &at, err);
	if (s < 0)
		return s;
	if (at.field)
		return remote_wrong(r, err, "put takes the secret, and then %s=VALUE", at.field);
	if (cas >= 0 && (kv_traits(r->kv, at.path) & KV_FLAT))
		return err_set(err, EOPNOTSUPP, "the engine has no check-and-set");
	if (kv_traits(r->kv, at.path) & (KV_ROOT | KV_OUTSIDE))
		return err_set(err, EINVAL, "%s is an engine, and no secret", at.full);
	return write_version(r, &at, p, cas, err);
}

static int put(struct remote *r, struct err *err)
{
	struct put p = {0};
	int s = put_into(r, &p, err);

	put_fini(&p);
	return s;
}

static int put_run(int argc, char **argv)
{
	return remote_run(&command_put, 2, 10000, argc, argv, put);
}

const struct command command_put = {
	.name = "put",
	.usage = "[OPTION...] PATH NAME=VALUE|NAME=@FILE|NAME=-|@FILE|-...",
	.summary = "Writes a secret, as one version",
	.help = help_remote,
	.flags = flags,
	.brief = true,
	.run = put_run,
};
