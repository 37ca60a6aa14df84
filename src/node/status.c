// SPDX-License-Identifier: Apache-2.0
/* What .vault/status.json says. It answers in an outage too: then it says so. There is nothing in it
 * by which anybody could log in. */

#include "node/status.h"

#include "base/clock.h"
#include "node/node.h"
#include "vault/health.h"
#include "vault/token.h"

#include <errno.h>
#include <stdio.h>

#define TIME_ROOM 40

static void describe_server(struct vault *v, struct limit limit, cJSON *to)
{
	struct err err = {0};
	struct health health;

	cJSON_AddStringToObject(to, "address", vault_address(v));
	if (health_read(v, limit, &health, &err) < 0) {
		cJSON_AddBoolToObject(to, "reachable", false);
		cJSON_AddStringToObject(to, "error", err_text(&err));
		return;
	}
	cJSON_AddBoolToObject(to, "reachable", true);
	cJSON_AddStringToObject(to, "product", health.product);
	cJSON_AddStringToObject(to, "version", health.version);
	cJSON_AddBoolToObject(to, "sealed", health.sealed);
	cJSON_AddBoolToObject(to, "standby", health.standby);
}

static cJSON *describe_token(struct vault *v, struct limit limit)
{
	struct err err = {0};
	cJSON *token = NULL;

	if (token_describe(v, limit, &token, &err) == 0)
		return token;
	token = cJSON_CreateObject();
	cJSON_AddStringToObject(token, "error", err_text(&err));
	return token;
}

int status_fetch(struct vault *v, struct limit limit, cJSON **out)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	cJSON *server = v ? cJSON_AddObjectToObject(object, "server") : NULL;

	if (server) {
		describe_server(v, limit, server);
		if (json_get_bool(server, "reachable") && !json_get_bool(server, "sealed"))
			cJSON_AddItemToObject(object, "token", describe_token(v, limit));
	}
	*out = steal(object);
	return *out ? 0 : -ENOMEM;
}

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

int status_add_mount(cJSON *to, struct tree *t)
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
