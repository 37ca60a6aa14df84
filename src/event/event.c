// SPDX-License-Identifier: Apache-2.0
/* Changes, and their form as text. */

#include "event/event.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/visible.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event *event_new(enum event_kind kind, const char *path, const char *secret, int64_t version,
			bool local)
{
	struct event *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct event){.kind = kind, .at = clock_wall(), .version = version, .local = local};
	e->path = strdup(path);
	e->secret = strdup(secret);
	if (e->path && e->secret)
		return e;
	event_free(e);
	return NULL;
}

int event_add_field(struct event *e, const char *name)
{
	if (e->count == e->room) {
		size_t room = e->room ? e->room * 2 : 8;
		char **fields = realloc(e->fields, room * sizeof(*fields));

		if (!fields)
			return -ENOMEM;
		e->fields = fields;
		e->room = room;
	}
	e->fields[e->count] = strdup(name);
	if (!e->fields[e->count])
		return -ENOMEM;
	e->count++;
	return 0;
}

void event_free(struct event *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->count; i++)
		free(e->fields[i]);
	free(e->fields);
	free(e->path);
	free(e->secret);
	free(e);
}

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {"created", "changed", "deleted"};

	return names[kind];
}

static void add_time(cJSON *to, int64_t ns)
{
	struct timespec at = clock_timespec(ns);
	char day[32], text[64];
	struct tm tm;

	gmtime_r(&at.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03ldZ", day, at.tv_nsec / 1000000);
	cJSON_AddStringToObject(to, "time", text);
}

static void print_line(const cJSON *json, struct buf *to)
{
	_cleanup_buf_ struct buf text = {0};

	/* People read it on terminals too. */
	if (!json || json_print(json, false, &text) < 0)
		to->failed = true;
	visible_add_json(to, text.data, text.len);
	buf_add_str(to, "\n");
}

void event_print_lost(uint64_t count, struct buf *to)
{
	_cleanup_json_ cJSON *json = cJSON_CreateObject();
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, count);
	add_time(json, clock_wall());
	cJSON_AddStringToObject(json, "kind", "lost");
	cJSON_AddRawToObject(json, "count", text);
	print_line(json, to);
}

void event_print(const struct event *e, struct buf *to)
{
	_cleanup_json_ cJSON *json = cJSON_CreateObject();
	char version[24];
	cJSON *fields;

	snprintf(version, sizeof(version), "%" PRId64, e->version);
	add_time(json, e->at);
	cJSON_AddStringToObject(json, "path", e->path);
	if (e->version)
		cJSON_AddRawToObject(json, "version", version);
	cJSON_AddStringToObject(json, "kind", event_kind_name(e->kind));
	fields = cJSON_AddArrayToObject(json, "fields");
	for (size_t i = 0; i < e->count; i++)
		cJSON_AddItemToArray(fields, cJSON_CreateString(e->fields[i]));
	cJSON_AddStringToObject(json, "origin", e->local ? "local" : "remote");
	print_line(fields ? json : NULL, to);
}
