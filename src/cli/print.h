/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include "base/json.h"
#include "kv/kv_version.h"

#include <stdint.h>

/* The output of commands: for people on a terminal, for programs elsewhere. Values pass only through
 * secret memory. Functions that print return EXIT_OK, or EXIT_LOCAL after reporting the error. */

enum format {
	FORMAT_TABLE, /* columns with a head; control characters escaped */
	FORMAT_PLAIN, /* the rows of a table, separated by tabs, without the head */
	FORMAT_JSON,
	FORMAT_ENV,
	FORMAT_RAW,
};

/* The format of that name; for NULL a table on a terminal, and `elsewhere` where there is none. -EINVAL
 * for another name. */
int format_choose(const char *name, enum format elsewhere);

/* Rows of cells, of which there are as many in each as in `head`, which ends with NULL. */
struct table {
	const char *const *head;
	struct buf cells; /* each ended by a NUL */
};
void table_add(struct table *t, const char *bytes, size_t len);
void table_add_str(struct table *t, const char *s);
int table_print(const struct table *t, bool plain);
static inline void table_fini(struct table *t)
{
	buf_fini(&t->cells);
}
#define _cleanup_table_ _cleanup_(table_fini)

/* A line on stderr that tells how far long work has come, where that is a terminal: it is shown after a
 * moment, rewritten at most a few times a second, and erased by progress_end(). */
struct progress {
	const char *what; /* of which there are so many: "folders" */
	uint64_t next;	  /* clock_mono() at which to show it again; 0: not begun */
	size_t done;
	bool shown;
};
void progress_step(struct progress *p, size_t of); /* `of`: how many there will be, 0: not known */
void progress_end(struct progress *p);
#define _cleanup_progress_ _cleanup_(progress_end)

int print_bytes(const void *bytes, size_t len);
/* As it is; on a terminal with all that is no ink by its number, but for the ends of lines. */
int print_shown(const char *bytes, size_t len);
int print_buf(const struct buf *b);
int print_json(const cJSON *json);

/* "2026-08-27T20:50:52Z" to `to`; "" for 0. */
#define PRINT_TIME_MAX 40
const char *print_time(int64_t ns, char to[PRINT_TIME_MAX]);

#endif
