// SPDX-License-Identifier: Apache-2.0
/* vaultfs get: a secret, or one field of it as its bytes. */

#include "cmd/kv/kv_commands.h"

#include "cli/help.h"
#include "cli/print.h"
#include "remote/reader.h"
#include "node/data_env.h"

#include <errno.h>
#include <string.h>

enum { FIELD, VERSION, FORMAT };

static const struct flag flags[] = {
	{'f', "field", "FIELD", "this field alone, as its bytes"},
	{0, "version", "N", "this version, not the latest"},
	{0, "format", "table|plain|json|env|raw", "how to print it"},
	{0},
};

/* As the official client does, a line is ended for a terminal alone. A value steers no terminal, unless
 * its bytes were asked for by --format=raw. */
static int print_raw(const struct kv_field *f, bool as_bytes)
{
	int status = as_bytes ? print_bytes(f->text, f->len) : print_shown(f->text, f->len);

	if (status == EXIT_OK && isatty(STDOUT_FILENO))
		status = print_bytes("\n", 1);
	return status;
}

static int print_field(const struct kv_field *f, enum format format, bool as_bytes)
{
	_cleanup_json_ cJSON *json = NULL;

	if (format != FORMAT_JSON)
		return print_raw(f, as_bytes);
	json = kv_field_json(f);
	return print_json(json);
}

static int print_fields(const struct kv_version *v, bool plain)
{
	static const char *const head[] = {"KEY", "VALUE", NULL};
	_cleanup_table_ struct table t = {.head = head};

	for (size_t i = 0; i < v->count; i++) {
		table_add(&t, v->fields[i].name, v->fields[i].name_len);
		table_add(&t, v->fields[i].text, v->fields[i].len);
	}
	return table_print(&t, plain);
}

static int print_secret(const struct kv_version *v, enum format format)
{
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_buf_ struct buf text = {0};

	if (format == FORMAT_JSON) {
		json = kv_version_json(v);
		return print_json(json);
	}
	if (format == FORMAT_ENV) {
		data_env_print(v, &text);
		return print_shown(text.data ? text.data : "", text.len);
	}
	if (format != FORMAT_RAW)
		return print_fields(v, format == FORMAT_PLAIN);
	if (v->count == 1)
		return print_raw(&v->fields[0], true);
	return command_fail(EXIT_LOCAL, "the secret has %zu fields: say which one, -f FIELD",
			    v->count);
}

static int print_chosen(struct remote *r, const struct kv_field *f, int format)
{
	return print_field(f, r->flags.value[FORMAT] ? (enum format)format : FORMAT_RAW,
			   r->flags.value[FORMAT] && format == FORMAT_RAW);
}

/* `number`: 0 for the one that the word names, or the latest. */
static int get_version(struct remote *r, const char *word, long long number, int format,
		       struct err *err)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_place_ struct place at = {0};
	const struct kv_field *f;
	const char *field;
	int s = remote_find_version(r, word, &at, err);

	if (s == 0)
		s = remote_read(r, &at, number ? number : at.version, &v, err);
	if (s < 0)
		return s;
	field = r->flags.value[FIELD] ? r->flags.value[FIELD] : at.field;
	if (!field)
		return print_secret(v, (enum format)format);
	f = kv_version_field(v, field, strlen(field));
	return f ? print_chosen(r, f, format)
		 : remote_wrong(r, err, "%s has no field %s", at.full, field);
}

/* The latest version under the layers of a mount of SOURCE. */
static int get_layered(struct remote *r, struct reader *d, const struct place *at, int format,
		       struct err *err)
{
	const char *field = r->flags.value[FIELD] ? r->flags.value[FIELD] : at->field;
	const struct kv_version *v;
	struct kv_field f;
	int s = field ? reader_field(d, at->full, field, &f, err)
		      : reader_get(d, at->full, &v, err);

	if (s == 0 && !field && v->state != KV_LIVE) {
		r->local = reader_asks_nobody(d, at->full);
		return err_set(err, ENOENT, "no layer has a field of %s", at->full);
	}
	if (s < 0)
		return s;
	return field ? print_chosen(r, &f, format) : print_secret(v, (enum format)format);
}

static int get_latest(struct remote *r, const char *word, int format, struct err *err)
{
	_cleanup_reader_ struct reader d = {0};
	_cleanup_place_ struct place at = {0};
	int s = place_parse_version(&at, word, err);

	r->local = s < 0;
	if (s == 0)
		s = reader_open(&d, r, err);
	if (s == 0)
		s = reader_take_layers(&d, err);
	if (s == 0 && d.layers && !at.version)
		return get_layered(r, &d, &at, format, err);
	return s < 0 ? s : get_version(r, word, 0, format, err);
}

static int get(struct remote *r, struct err *err)
{
	const char *version = r->flags.value[VERSION];
	int format = format_choose(r->flags.value[FORMAT], FORMAT_JSON);
	long long number = 0;

	if (format < 0)
		return remote_no_format(r, FORMAT, err);
	if (version && flags_number(version, &number) < 0)
		return remote_wrong(r, err, "%s is no version's number", version);
	return version ? get_version(r, r->flags.words[0], number, format, err)
		       : get_latest(r, r->flags.words[0], format, err);
}

static int get_run(int argc, char **argv)
{
	return remote_run(&command_get, 1, 1, argc, argv, get);
}

const struct command command_get = {
	.name = "get",
	.usage = "[OPTION...] PATH[#FIELD]",
	.summary = "Prints a secret, or one field of it",
	.help = help_remote,
	.flags = flags,
	.brief = true,
	.run = get_run,
};
