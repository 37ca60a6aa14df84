// SPDX-License-Identifier: Apache-2.0
/* vaultfs get: a secret, or one field of it as its bytes. */

#include "cli/help.h"
#include "remote/print.h"
#include "remote/remote.h"
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

static int get(struct remote *r, struct err *err)
{
	const char *version = r->flags.value[VERSION];
	int format = format_choose(r->flags.value[FORMAT], FORMAT_JSON);
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_place_ struct place at = {0};
	const struct kv_field *f;
	const char *field;
	long long number = 0;
	int s;

	if (format < 0)
		return remote_wrong(r, err, "no format %s is known", r->flags.value[FORMAT]);
	if (version && flags_number(version, &number) < 0)
		return remote_wrong(r, err, "%s is no version's number", version);
	s = remote_find_version(r, r->flags.words[0], &at, err);
	if (s == 0)
		s = remote_read(r, &at, version ? number : at.version, &v, err);
	if (s < 0)
		return s;
	field = r->flags.value[FIELD] ? r->flags.value[FIELD] : at.field;
	if (!field)
		return print_secret(v, (enum format)format);
	f = kv_version_field(v, field, strlen(field));
	if (!f)
		return remote_wrong(r, err, "%s has no field %s", at.full, field);
	return print_field(f, r->flags.value[FORMAT] ? (enum format)format : FORMAT_RAW,
			   r->flags.value[FORMAT] && format == FORMAT_RAW);
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
	.run = get_run,
};
