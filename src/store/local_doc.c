// SPDX-License-Identifier: Apache-2.0
/* The metadata of a secret, by the rules of the servers' own source (openbao's builtin/logical/kv:
 * path_metadata.go, version_key.go): which versions are kept, which are cut off, what is refused. */

#include "store/local_doc.h"

#include "base/clock.h"
#include "base/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIME_ROOM     48
#define CUSTOM_MAX    64
#define CUSTOM_KEY    128
#define CUSTOM_VALUE  512
#define NO_DELETION   ""
#define HOUR	      (3600 * NS_PER_SEC)
#define VERSIONS_MOST INT32_MAX

/* Takes `value` even if it fails. */
int local_json_set(cJSON *object, const char *name, cJSON *value)
{
	if (!value)
		return -ENOMEM;
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	return json_add(object, name, strlen(name), value);
}

cJSON *local_json_number(int64_t number)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, number);

	return json_new_raw(text, (size_t)n);
}

static cJSON *new_text(const char *text)
{
	return json_new_string(text, strlen(text));
}

/* "2026-01-02T03:04:05.6Z", with as many digits as needed. */
static cJSON *new_time(int64_t ns)
{
	struct timespec at = clock_timespec(ns);
	char text[TIME_ROOM];
	struct tm tm;
	size_t n;

	gmtime_r(&at.tv_sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ".%09ld", at.tv_nsec);
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	text[n++] = 'Z';
	return json_new_string(text, n);
}

static int64_t time_of(const cJSON *object, const char *name)
{
	int64_t t = clock_parse_rfc3339(json_get_str(object, name));

	return t == INT64_MIN ? 0 : t;
}

cJSON *local_doc_new(int64_t now)
{
	_cleanup_json_ cJSON *doc = cJSON_CreateObject();

	if (!doc || local_json_set(doc, "cas_required", cJSON_CreateFalse()) < 0 ||
	    local_json_set(doc, "created_time", new_time(now)) < 0 ||
	    local_json_set(doc, "current_version", local_json_number(0)) < 0 ||
	    local_json_set(doc, "custom_metadata", cJSON_CreateNull()) < 0 ||
	    local_json_set(doc, "delete_version_after", new_text("0s")) < 0 ||
	    local_json_set(doc, "max_versions", local_json_number(0)) < 0 ||
	    local_json_set(doc, "oldest_version", local_json_number(0)) < 0 ||
	    local_json_set(doc, "updated_time", new_time(now)) < 0 ||
	    local_json_set(doc, "versions", cJSON_CreateObject()) < 0)
		return NULL;
	return steal(doc);
}

int64_t local_doc_time(const cJSON *doc, int64_t now)
{
	int64_t last = time_of(doc, "updated_time");

	return now > last ? now : last + 1;
}

static const char *name_of(int64_t number, char *to, size_t room)
{
	snprintf(to, room, "%" PRId64, number);
	return to;
}

/* Removes the versions below `kept`. */
static void cut(cJSON *doc, int64_t kept)
{
	cJSON *rows = json_get(doc, "versions"), *next;

	for (cJSON *row = rows ? rows->child : NULL; row; row = next) {
		next = row->next;
		if (strtoll(row->string, NULL, 10) < kept)
			cJSON_Delete(cJSON_DetachItemViaPointer(rows, row));
	}
}

static int add_row(cJSON *doc, int64_t number, int64_t now)
{
	_cleanup_json_ cJSON *row = cJSON_CreateObject();
	const char *after = json_get_str(doc, "delete_version_after");
	uint64_t span = 0;
	char name[24];

	if (!row || (after && clock_parse_duration(after, &span) < 0))
		return -ENOMEM;
	if (local_json_set(row, "created_time", new_time(now)) < 0 ||
	    local_json_set(row, "deletion_time",
			   span ? new_time(now + (int64_t)span) : new_text(NO_DELETION)) < 0 ||
	    local_json_set(row, "destroyed", cJSON_CreateFalse()) < 0)
		return -ENOMEM;
	name_of(number, name, sizeof(name));
	return local_json_set(json_get(doc, "versions"), name, steal(row));
}

int local_doc_add(cJSON *doc, int64_t now, int64_t *number, int64_t *kept)
{
	int64_t most = json_get_int(doc, "max_versions", 0);
	int64_t oldest = json_get_int(doc, "oldest_version", 0);

	*number = json_get_int(doc, "current_version", 0) + 1;
	if (most <= 0)
		most = LOCAL_VERSIONS;
	if (*number - oldest >= most)
		oldest = *number - most + 1;
	*kept = oldest;
	if (add_row(doc, *number, now) < 0 ||
	    local_json_set(doc, "current_version", local_json_number(*number)) < 0 ||
	    local_json_set(doc, "oldest_version", local_json_number(oldest)) < 0 ||
	    local_json_set(doc, "updated_time", new_time(now)) < 0)
		return -ENOMEM;
	cut(doc, oldest);
	return 0;
}

cJSON *local_doc_row(const cJSON *doc, int64_t number)
{
	char name[24];

	return json_get(json_get(doc, "versions"), name_of(number, name, sizeof(name)));
}

bool local_doc_live(const cJSON *row, int64_t now)
{
	int64_t deletion = time_of(row, "deletion_time");

	return !json_get_bool(row, "destroyed") && (!deletion || deletion > now);
}

cJSON *local_doc_reading(const cJSON *doc, const cJSON *row, int64_t number)
{
	_cleanup_json_ cJSON *out = cJSON_Duplicate(row, true);

	if (!out || local_json_set(out, "version", local_json_number(number)) < 0 ||
	    local_json_set(out, "custom_metadata",
			   cJSON_Duplicate(json_get(doc, "custom_metadata"), true)) < 0)
		return NULL;
	return steal(out);
}

int local_doc_delete(cJSON *row, int64_t now)
{
	if (!local_doc_live(row, now))
		return 0;
	return local_json_set(row, "deletion_time", new_time(now));
}

int local_doc_undelete(cJSON *row)
{
	if (json_get_bool(row, "destroyed"))
		return 0;
	return local_json_set(row, "deletion_time", new_text(NO_DELETION));
}

int local_doc_destroy(cJSON *row)
{
	return local_json_set(row, "destroyed", cJSON_CreateTrue());
}

/* A duration as Go writes it: "1h30m0s". */
static cJSON *new_duration(uint64_t ns)
{
	uint64_t hours = ns / HOUR, minutes = ns / (60 * NS_PER_SEC) % 60;
	double seconds = (double)(ns % (60 * NS_PER_SEC)) / 1e9;
	char text[80] = "";
	int n = 0;

	if (hours)
		n += snprintf(text, sizeof(text), "%" PRIu64 "h", hours);
	if (hours || minutes)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%" PRIu64 "m", minutes);
	snprintf(text + n, sizeof(text) - (size_t)n, "%.9g", seconds);
	strcat(text, "s");
	return new_text(text);
}

static int set_duration(cJSON *doc, const cJSON *value, struct err *err)
{
	uint64_t ns;

	if (!cJSON_IsString(value) || clock_parse_duration(value->valuestring, &ns) < 0 ||
	    ns / HOUR > 1000000)
		return err_set(err, EINVAL, "delete_version_after is no time");
	return local_json_set(doc, "delete_version_after", new_duration(ns));
}

static int set_versions(cJSON *doc, const cJSON *patch, struct err *err)
{
	int64_t n = json_get_int(patch, "max_versions", -1);

	if (n < 0 || n > VERSIONS_MOST)
		return err_set(err, EINVAL, "max_versions is no number of versions");
	return local_json_set(doc, "max_versions", local_json_number(n));
}

static int set_required(cJSON *doc, const cJSON *value, struct err *err)
{
	if (!cJSON_IsBool(value))
		return err_set(err, EINVAL, "cas_required is neither true nor false");
	return local_json_set(doc, "cas_required", cJSON_CreateBool(cJSON_IsTrue(value)));
}

static bool is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return utf8_valid(text, len);
}

static int check_custom(const cJSON *item, struct err *err)
{
	size_t key = json_key_len(item), value;

	if (!cJSON_IsString(item))
		return err_set(err, EINVAL, "a value of custom metadata is no string");
	value = json_string_len(item);
	if (!key || key > CUSTOM_KEY)
		return err_set(err, EINVAL, "a key of custom metadata has 1 to %d bytes",
			       CUSTOM_KEY);
	if (!value || value > CUSTOM_VALUE)
		return err_set(err, EINVAL, "a value of custom metadata has 1 to %d bytes",
			       CUSTOM_VALUE);
	if (!is_printable(item->string, key) || !is_printable(item->valuestring, value))
		return err_set(err, EINVAL, "custom metadata is printable text");
	return 0;
}

static int add_custom(cJSON *custom, const cJSON *item)
{
	cJSON_DeleteItemFromObjectCaseSensitive(custom, item->string);
	return json_add(custom, item->string, json_key_len(item), cJSON_Duplicate(item, true));
}

static int merge_custom(cJSON *doc, const cJSON *patch, struct err *err)
{
	const cJSON *old = json_get(doc, "custom_metadata");
	_cleanup_json_ cJSON *custom =
		cJSON_IsObject(old) ? cJSON_Duplicate(old, true) : cJSON_CreateObject();
	int r = custom ? 0 : -ENOMEM;

	if (!cJSON_IsObject(patch) && !cJSON_IsNull(patch))
		return err_set(err, EINVAL, "custom_metadata is no object");
	for (const cJSON *item = patch->child; r == 0 && item; item = item->next) {
		if (cJSON_IsNull(item)) {
			cJSON_DeleteItemFromObjectCaseSensitive(custom, item->string);
			continue;
		}
		r = check_custom(item, err);
		if (r == 0)
			r = add_custom(custom, item);
	}
	if (r < 0)
		return r;
	json_sort(custom); /* the servers send it sorted */
	if (cJSON_GetArraySize(custom) > CUSTOM_MAX)
		return err_set(err, EINVAL, "custom metadata has %d keys at most", CUSTOM_MAX);
	return local_json_set(doc, "custom_metadata",
			      custom->child ? steal(custom) : cJSON_CreateNull());
}

int local_doc_patch(cJSON *doc, const cJSON *patch, struct err *err)
{
	const cJSON *after = json_get(patch, "delete_version_after");
	const cJSON *required = json_get(patch, "cas_required");
	const cJSON *custom = json_get(patch, "custom_metadata");
	int r = 0;

	if (json_get(patch, "max_versions"))
		r = set_versions(doc, patch, err);
	if (r == 0 && required)
		r = set_required(doc, required, err);
	if (r == 0 && after)
		r = set_duration(doc, after, err);
	if (r == 0 && custom)
		r = merge_custom(doc, custom, err);
	return r;
}
