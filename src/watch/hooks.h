/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATCH_HOOKS_H
#define WATCH_HOOKS_H

#include "conf/on_change.h"
#include "event/event.h"

/* Does what the sections [on_change] say: once for each change, one at a time for each section, and for
 * one path not more often than its interval; changes that come meanwhile are one. */
struct hooks;
struct runner;

struct hooks_config {
	const struct on_change *list;
	struct runner *runner;
	const char *label; /* of the engine: "secret" */
	const char *dir;   /* where it is mounted */
};

/* Starts the thread. NULL with `err` set. */
struct hooks *hooks_new(const struct hooks_config *config, struct err *err);

/* What has not begun never does; what runs is ended with the runner. NULL is fine. */
void hooks_free(struct hooks *h);

/* A change that can be seen by now. Never blocks. NULL is fine. */
void hooks_happened(struct hooks *h, const struct event *e);

/* Whether any section is for that path of the engine. */
bool hooks_want(const struct on_change *list, const char *label, const char *path);

#endif
