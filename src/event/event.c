// SPDX-License-Identifier: Apache-2.0
/* Changes, and how they are written down. */

#include "event/event.h"

#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event *event_new(enum event_kind kind, const char *path, int64_t version, bool local)
{
	struct event *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct event){.kind = kind, .at = clock_wall(), .version = version, .local = local};
	e->path = strdup(path);
	if (e->path)
		return e;
	free(e);
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
	free(e);
}

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {"created", "changed", "deleted"};

	return names[kind];
}

void event_print(const struct event *e, struct buf *to)
{
	_cleanup_json_ cJSON *json = cJSON_CreateObject();
	struct timespec at = clock_timespec(e->at);
	char day[32], time[64], version[24];
	struct tm tm;
	cJSON *fields;

	gmtime_r(&at.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time, sizeof(time), "%s.%03ldZ", day, at.tv_nsec / 1000000);
	snprintf(version, sizeof(version), "%" PRId64, e->version);
	cJSON_AddStringToObject(json, "time", time);
	cJSON_AddStringToObject(json, "path", e->path);
	if (e->version)
		cJSON_AddRawToObject(json, "version", version);
	cJSON_AddStringToObject(json, "kind", event_kind_name(e->kind));
	fields = cJSON_AddArrayToObject(json, "fields");
	for (size_t i = 0; i < e->count; i++)
		cJSON_AddItemToArray(fields, cJSON_CreateString(e->fields[i]));
	cJSON_AddStringToObject(json, "origin", e->local ? "local" : "remote");
	if (!fields || json_print(json, false, to) < 0)
		to->failed = true;
	buf_add_str(to, "\n");
}
