/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_CONTENT_H
#define CONTROL_CONTENT_H

#include "base/json.h"
#include "tree/dir.h"

/* The content of files in ".vault". */

/* Text, in secret memory, as what a content is kept by. */
struct text {
	struct object object;
	struct buf buf;
};

/* NULL: no memory. */
struct text *text_new(void);

/* The content that it is, which takes `x`; NULL and a failed buffer are -ENOMEM. */
int text_content(struct text *x, struct content *out, struct err *err);

/* As text that a person reads, a newline at its end. Consumes nothing. 0 or -ENOMEM. */
int control_print_json(const cJSON *json, struct buf *to);
int json_content(const cJSON *json, struct content *out, struct err *err);

/* The inode number of what has this name in the ".vault" of a directory. */
uint64_t control_ino(const struct dir *d, const char *name);

#endif
