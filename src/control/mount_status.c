// SPDX-License-Identifier: Apache-2.0
/* The mount's part of status.json: its source, its session, its cache, and its watch. There is nothing in
 * it by which anybody could log in. */

#include "control/mount_status.h"

#include "base/clock.h"
#include "node/node.h"

#include <errno.h>
#include <stdio.h>

#define TIME_ROOM 40

static bool add_number(cJSON *to, const char *name, size_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", number);
	return cJSON_AddRawToObject(to, name, text) != NULL;
}

static const char *print_time(int64_t ns, char to[static TIME_ROOM])
{
	struct timespec at = clock_timespec(ns);
	struct tm tm;

	gmtime_r(&at.tv_sec, &tm);
	strftime(to, TIME_ROOM, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return to;
}

/* To what the server says of the token, if it does: what has become of it here. */
static int add_session(cJSON *to, struct session *session)
{
	cJSON *token = cJSON_GetObjectItemCaseSensitive(to, "token");
	struct session_told told;
	char last[TIME_ROOM];

	session_tell(session, &told);
	if (!token)
		token = cJSON_AddObjectToObject(to, "token");
	if (token && told.alive && !json_get(token, "ttl")) {
		cJSON_AddBoolToObject(token, "renewable", told.renewable);
		add_number(token, "ttl", told.ttl / NS_PER_SEC);
	}
	return token && cJSON_AddStringToObject(token, "method", told.method) &&
			       add_number(token, "logins", told.logins) &&
			       add_number(token, "renewals", told.renewals) &&
			       (told.last_renewal ? cJSON_AddStringToObject(
							    token, "last_renewal",
							    print_time(told.last_renewal, last))
						  : cJSON_AddNullToObject(token, "last_renewal"))
		       ? 0
		       : -ENOMEM;
}

static bool add_seconds(cJSON *to, const char *name, uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu.%03llu", (unsigned long long)(ns / NS_PER_SEC),
		 (unsigned long long)(ns % NS_PER_SEC / NS_PER_MS));
	return cJSON_AddRawToObject(to, name, text) != NULL;
}

/* How often changes are looked for, and how often that should be. */
static int add_watch(cJSON *to, const struct tree *t)
{
	uint64_t interval = t->watching.interval, every = t->watching.every;
	cJSON *watch = cJSON_AddObjectToObject(to, "watch");
	uint64_t stretch = interval ? every * NS_PER_SEC / interval : NS_PER_SEC;

	if (!watch || !add_seconds(watch, "interval", interval) ||
	    !add_seconds(watch, "every", every) || !add_seconds(watch, "stretch", stretch) ||
	    !add_number(watch, "secrets", t->watching.secrets) ||
	    !add_number(watch, "folders", t->watching.folders))
		return -ENOMEM;
	return 0;
}

int mount_status_add(cJSON *to, struct tree *t)
{
	_cleanup_buf_ struct buf source = {0};
	char since[TIME_ROOM];
	cJSON *cache;

	buf_printf(&source, "%s%s%s", t->config.label,
		   !*t->config.label || *t->config.prefix ? "/" : "", t->config.prefix);
	if (buf_status(&source) < 0 ||
	    !cJSON_AddStringToObject(to, "engine", *t->config.label ? t->config.label : "/") ||
	    !cJSON_AddStringToObject(to, "source", source.data) ||
	    !cJSON_AddStringToObject(to, "mounted_since", print_time(t->started, since)))
		return -ENOMEM;
	if (t->config.session && add_session(to, t->config.session) < 0)
		return -ENOMEM;
	cache = cJSON_AddObjectToObject(to, "cache");
	if (!cache || !add_number(cache, "bytes", cache_bytes(t->config.cache)) ||
	    !add_number(cache, "entries", cache_count(t->config.cache)))
		return -ENOMEM;
	return add_watch(to, t);
}
