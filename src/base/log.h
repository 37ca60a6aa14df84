/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>

/* One line an event: a phrase, then fields such as paths, versions, uid, pid, times. Never a value, a
 * token or a key: no field type takes a `struct secret`. */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
	const char *key; /* lower case, [a-z_]; NULL ends the list */
	const char *str; /* NULL: `num` is the value */
	long long num;
};

/* clang-format off */
#define F_STR(k, v) {.key = (k), .str = log_str(v)}
#define F_INT(k, v) {.key = (k), .num = (long long)(v)}
/* The errno's name and the sentence of a struct err, as "errno" and "reason". */
#define F_ERR(e)    {.key = "errno", .str = err_name((e)->code)}, {.key = "reason", .str = err_text(e)}
/* clang-format on */

static inline const char *log_str(const char *s)
{
	return s ? s : "";
}

#define log_at(level, event, ...)                                                                  \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(level, event,                                                    \
				  (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}});      \
	} while (0)

#define log_error(event, ...)	log_at(LOG_LEVEL_ERROR, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warning(event, ...) log_at(LOG_LEVEL_WARNING, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...)	log_at(LOG_LEVEL_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(event, ...)	log_at(LOG_LEVEL_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)

/* Chooses the target ("stderr", "journal", "syslog") and the format ("text", "json"). The names are those
 * of log_targets[] and log_formats[]; -EINVAL for any other. Before the first call lines go to stderr as
 * text. */
int log_open(const char *target, const char *format, struct err *err);

/* Safe at any time, from any thread. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* The level for a name ("error", "warning" or "warn", "info", "debug" or "trace"), or -EINVAL. */
int log_level_parse(const char *name);

/* True if a journal listens on this machine and this build can write to it. */
bool log_journal_available(void);

/* Use the macros above. `event` is a constant phrase; `fields` ends with a NULL key. Thread-safe: a line
 * is one write(2). A line with an errno is a failure: twenty a second are written for each event and
 * "uid", then the number of those left out. Of other lines, a user who is not root gets 200 a second. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
