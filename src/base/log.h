/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>

/* One line an event: what happened, then fields. Paths, versions, uid, pid, times; never a value, a
 * token or a key: there is no field type that takes a `struct secret`. */

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

/* Chooses where lines go ("stderr", "journal", "syslog") and how they look there ("text", "json").
 * Names are those of log_targets[] and log_formats[]; -EINVAL for another. Before the first call
 * lines go to stderr as text. */
int log_open(const char *target, const char *format, struct err *err);

/* Safe at any time, from any thread. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* The level of that name ("error", "warning" or "warn", "info", "debug" or "trace"), or -EINVAL. */
int log_level_parse(const char *name);

/* True where a journal listens on this machine and we were built to speak to it. */
bool log_journal_available(void);

/* Use the macros above. `event` is a constant phrase; `fields` ends with a NULL key. Thread-safe: a
 * line is one write(2). A line with an errno is a failure: of those, twenty a second of one event
 * and "uid" are written, and then how many were not; of other lines of a user other than root 200. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
