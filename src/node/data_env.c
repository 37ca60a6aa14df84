// SPDX-License-Identifier: Apache-2.0
/* Fields as assignments of a shell. Everything stands in single quotes, in which a shell reads nothing
 * but their end; what readers of .env files may take for something else there stands between two such
 * parts, so that conf/dotenv.c reads what is written here. A name that is no identifier, or by which
 * programs run code, or a value with NUL, is left out and told of. */

#include "node/data_env.h"

#include "base/visible.h"
#include "layer/variables.h"

#include <string.h>

static bool is_identifier(const char *name, size_t len)
{
	static const char digits[] = "0123456789";
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

	for (size_t i = 0; i < len; i++)
		if (!name[i] || (!strchr(first, name[i]) && (i == 0 || !strchr(digits, name[i]))))
			return false;
	return len > 0;
}

static void print_quoted(const char *text, size_t len, struct buf *to)
{
	buf_add_str(to, "'");
	for (size_t i = 0; i < len; i++) {
		char next = i + 1 < len ? text[i + 1] : '\'';

		if (text[i] == '\'')
			buf_add_str(to, "'\\''");
		else if (text[i] == '\\' && (next == '\\' || next == '\''))
			buf_add_str(to, "'\\\\'");
		else if (text[i] == '$' && next == '{')
			buf_add_str(to, "'\\$'");
		else
			buf_add(to, &text[i], 1);
	}
	buf_add_str(to, "'\n");
}

/* A name must not end the comment that it stands in. */
static void print_left_out(const struct kv_field *f, const char *why, struct buf *to)
{
	buf_add_str(to, "# left out, ");
	buf_add_str(to, why);
	buf_add_str(to, ": ");
	for (size_t i = 0; i < f->name_len;) {
		char shown[VISIBLE_ROOM];
		bool ink;

		i += visible_char(f->name + i, f->name_len - i, shown, &ink);
		buf_add_str(to, ink ? shown : "?");
	}
	buf_add_str(to, "\n");
}

void data_env_print(const struct kv_version *v, struct buf *to)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct kv_field *f = &v->fields[i];

		if (!is_identifier(f->name, f->name_len)) {
			print_left_out(f, "the name is no shell identifier", to);
		} else if (variables_run_code(f->name)) {
			print_left_out(f, "programs run code by that variable", to);
		} else if (memchr(f->text, '\0', f->len)) {
			print_left_out(f, "the value holds NUL", to);
		} else {
			buf_add(to, f->name, f->name_len);
			buf_add_str(to, "=");
			print_quoted(f->text, f->len, to);
		}
	}
}
