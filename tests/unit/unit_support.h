/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_SUPPORT_H
#define UNIT_SUPPORT_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Shared by the files of tests. Each test is a process of its own, so anything set up here ends
 * with it. */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif

/* Secret memory and JSON as the daemon sets them up; and no log but of errors. For `.init`. */
void support_init(void);

/* A directory of the test's own, made at the first call. */
const char *support_dir(void);

/* Removes it; and, under AddressSanitizer, crashes where memory has leaked. For `.fini`. */
void support_fini(void);

/* The path of `name` in it; a file there with that content. Heap. */
char *support_path(const char *name);
char *support_file(const char *name, const char *bytes, size_t len);

/* The tree of a text that must be JSON; the text of a tree. The caller's. */
cJSON *support_parse(const char *text);
char *support_print(const cJSON *json);

/* Whether two trees are the same, in the order of their members: cJSON_Compare() is at a loss where
 * names are there twice. */
bool support_same(const cJSON *a, const cJSON *b);

/* Puts stderr into a pipe, up to 64 KiB of it, and hands out what came; heap. */
void support_capture(void);
char *support_captured(void);

/* Drops a draft under the lock of a tree, as its users do. */
struct draft;
void support_draft_put(struct draft *d);

/* The end of a wait that only a bug makes so long. */
struct limit support_limit(void);

/* A number that threads count up and wait for. */
struct tally {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	int count;
};
#define TALLY_INIT                                                                                 \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER             \
	}

void tally_add(struct tally *t);
int tally_count(struct tally *t);
/* From any thread. False where it takes half a minute. */
bool tally_reaches(struct tally *t, int count);

/* A waiter that counts how often it was called. */
struct parked {
	struct waiter waiter;
	struct tally ready;
};
void parked_init(struct parked *p);

void support_sleep(uint64_t ns);

#endif
