// SPDX-License-Identifier: Apache-2.0
/* Contents that are made when a file is opened, and that its reader keeps. */

#include "control/content.h"

#include "base/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void text_free(struct object *o)
{
	struct text *x = container_of(o, struct text, object);

	buf_fini(&x->buf);
	free(x);
}

struct text *text_new(void)
{
	struct text *x = calloc(1, sizeof(*x));

	if (x)
		x->object = (struct object){.refs = 1, .free = text_free};
	return x;
}

int text_content(struct text *x, struct content *out, struct err *err)
{
	if (!x || buf_status(&x->buf) < 0) {
		object_put(x);
		return err_set(err, ENOMEM, "no memory");
	}
	*out = (struct content){
		.object = &x->object, .bytes = x->buf.data ? x->buf.data : "", .len = x->buf.len};
	return 0;
}

int control_print_json(const cJSON *json, struct buf *to)
{
	if (!json || json_print(json, true, to) < 0)
		return -ENOMEM;
	buf_add_str(to, "\n");
	return buf_status(to);
}

int json_content(const cJSON *json, struct content *out, struct err *err)
{
	struct text *x = text_new();

	if (x && control_print_json(json, &x->buf) < 0)
		x->buf.failed = true;
	return text_content(x, out, err);
}

uint64_t control_ino(const struct dir *d, const char *name)
{
	_cleanup_free_ char *key = NULL;
	int n = asprintf(&key, "c:%s/%s", d->path, name);

	return n < 0 ? 2 : stable_hash(key, (size_t)n);
}
