// SPDX-License-Identifier: Apache-2.0
/* vaultfs resolve: replaces the references in a text by their values. Everything is resolved before
 * anything is written. */

#include "cmd/run/run_commands.h"

#include "cli/help.h"
#include "cli/print.h"
#include "remote/remote.h"
#include "remote/reader.h"
#include "cmd/run/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX (32u << 20)

/* Puts "FILE:12:3: " before the error. */
static int locate(const char *file, const struct buf *text, size_t at, struct err *err)
{
	struct err why = *err;
	size_t line, column;

	reference_locate(text->data, at, &line, &column);
	return err_set(err, why.code, "%s:%zu:%zu: %s", strcmp(file, "-") ? file : "stdin", line,
		       column, err_text(&why));
}

static int add_value(struct reader *d, const struct reference *at, struct buf *to, struct err *err)
{
	struct kv_field f;
	int s = reader_field(d, at->path, at->field, &f, err);

	if (s == 0)
		buf_add(to, f.text, f.len);
	return s;
}

static int replace_all(struct reader *d, const char *file, const struct buf *text, struct buf *to,
		       struct err *err)
{
	size_t from = 0;
	int s;

	for (;;) {
		_cleanup_reference_ struct reference at = {0};

		s = reference_next(text->data, text->len, from, d->remote->conf.source, &at, err);
		if (s < 0)
			d->remote->local = true;
		if (s == 0 && !at.len)
			break;
		if (s == 0) {
			buf_add(to, text->data + from, at.start - from);
			s = add_value(d, &at, to, err);
		}
		if (s < 0)
			return locate(file, text, at.start, err);
		from = at.start + at.len;
	}
	buf_add(to, text->data + from, text->len - from);
	return 0;
}

static int resolve(struct remote *r, struct err *err)
{
	const char *file = r->flags.count ? r->flags.words[0] : "-";
	_cleanup_buf_ struct buf text = {0}, out = {0};
	_cleanup_reader_ struct reader d = {0};
	int s = remote_read_file(r, file, TEXT_MAX, &text, err);

	if (s == 0)
		s = reader_open(&d, r, err);
	if (s == 0)
		s = reader_take_layers(&d, err);
	if (s == 0 && text.len)
		s = replace_all(&d, file, &text, &out, err);
	return s < 0 ? s : print_buf(&out);
}

static int resolve_run(int argc, char **argv)
{
	return remote_run(&command_resolve, 0, 1, argc, argv, resolve);
}

static void help(void)
{
	printf("\nvault://ENGINE/PATH#FIELD is replaced by the field's value; so is the short "
	       "form,\n"
	       "vault://github_token.user: the field \"value\" of SOURCE/github/token/user.\n\n"
	       "  -c FILE                  as for mount\n"
	       "  -o OPT,...               as for mount (vaultfs mount --help)\n");
}

const struct command command_resolve = {
	.name = "resolve",
	.usage = "[OPTION...] [FILE]",
	.summary = "Replaces references to secrets in a text by their values",
	.help = help,
	.brief = true,
	.run = resolve_run,
};
