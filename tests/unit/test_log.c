// SPDX-License-Identifier: Apache-2.0
/* The log: what each level lets through, that a text line is one line whatever is in a path, that a
 * JSON line is JSON however long and odd the fields are, and what is said of a target that is none. */

#include "unit_support.h"

#include "base/log.h"

TestSuite(log, .fini = support_fini, .timeout = 120);

#define ODD "a\"b\\c\nd\te\x01\x1f\x7f é"

static void as_json(void)
{
	support_init();
	log_set_level(LOG_LEVEL_INFO);
	cr_assert_eq(log_open("stderr", "json", NULL), 0);
}

/* Prints `fields` as a line of the log. */
static char *line_of(const struct log_field *fields)
{
	support_capture();
	log_write(LOG_LEVEL_INFO, "event", fields);
	return support_captured();
}

static cJSON *json_line_of(const struct log_field *fields)
{
	_cleanup_free_ char *line = line_of(fields);
	size_t len = strlen(line);

	cr_assert_gt(len, 0);
	cr_assert_eq(line[len - 1], '\n');
	cr_assert_eq(strcspn(line, "\n"), len - 1, "more than one line: %s", line);
	return support_parse(line);
}

static void assert_member(const cJSON *line, const char *key, const char *value)
{
	const cJSON *item = json_get(line, key);

	cr_assert(cJSON_IsString(item), "no %s", key);
	cr_assert_eq(json_string_len(item), strlen(value), "%s", key);
	_cleanup_free_ char *bytes = calloc(1, strlen(value) + 1);

	json_string_copy(item, bytes);
	cr_assert_str_eq(bytes, value);
}

Test(log, levels_have_names)
{
	cr_assert_eq(log_level_parse("error"), LOG_LEVEL_ERROR);
	cr_assert_eq(log_level_parse("warning"), LOG_LEVEL_WARNING);
	cr_assert_eq(log_level_parse("warn"), LOG_LEVEL_WARNING);
	cr_assert_eq(log_level_parse("info"), LOG_LEVEL_INFO);
	cr_assert_eq(log_level_parse("debug"), LOG_LEVEL_DEBUG);
	cr_assert_eq(log_level_parse("trace"), LOG_LEVEL_DEBUG);
	cr_assert_eq(log_level_parse("INFO"), LOG_LEVEL_INFO);
	cr_assert_eq(log_level_parse(""), -EINVAL);
	cr_assert_eq(log_level_parse("loud"), -EINVAL);
	cr_assert_eq(log_level_parse("infos"), -EINVAL);
}

Test(log, info_is_the_level_from_the_start)
{
	cr_assert(log_enabled(LOG_LEVEL_INFO));
	cr_assert_not(log_enabled(LOG_LEVEL_DEBUG));
}

Test(log, only_what_is_grave_enough_is_written)
{
	_cleanup_free_ char *text = NULL;

	log_set_level(LOG_LEVEL_WARNING);
	support_capture();
	log_debug("one");
	log_info("two");
	log_warning("three");
	log_error("four");
	text = support_captured();
	cr_assert_null(strstr(text, "one"));
	cr_assert_null(strstr(text, "two"));
	cr_assert_not_null(strstr(text, " warning three\n"));
	cr_assert_not_null(strstr(text, " error four\n"));
}

Test(log, a_text_line_has_time_level_event_and_fields)
{
	struct tm tm;
	_cleanup_free_ char *line = line_of((const struct log_field[]){
		F_STR("path", "/app/db"), F_INT("uid", -5), F_INT("big", 9000000000), {0}});
	const char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);

	cr_assert_not_null(rest, "%s", line);
	cr_assert_eq(strspn(rest, ".0123456789Z"), 5, "%s", line);
	cr_assert_str_eq(rest + 5, " info event path=/app/db uid=-5 big=9000000000\n");
}

Test(log, a_path_cannot_forge_a_line)
{
	_cleanup_free_ char *line = line_of((const struct log_field[]){
		F_STR("path", "x\n2024-01-01T00:00:00.000Z error token=stolen"), {0}});

	cr_assert_eq(strcspn(line, "\n"), strlen(line) - 1, "%s", line);
	cr_assert_not_null(
		strstr(line, "path=\"x\\u000a2024-01-01T00:00:00.000Z error token=stolen\"\n"),
		"%s", line);
}

Test(log, a_path_cannot_forge_a_field, .init = support_init)
{
	static const char *const values[] = {"a b", "a=b",   "a\"b",	"a\\b", "",	"\t",
					     ODD,   "uid=0", "\x1b[2J", " ",	"\"\"", "a\rb"};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_free_ char *line =
			line_of((const struct log_field[]){F_STR("k", values[i]), {0}});
		const char *quoted = strstr(line, " k=");
		_cleanup_json_ cJSON *json = NULL;

		cr_assert_not_null(quoted, "%s", line);
		cr_assert_eq(quoted[3], '"', "not quoted: %s", line);
		cr_assert_eq(json_parse(quoted + 3, strlen(quoted + 3), &json, NULL), 0, "%s",
			     line);
		_cleanup_free_ char *bytes = calloc(1, strlen(values[i]) + 1);

		cr_assert_eq(json_string_len(json), strlen(values[i]));
		json_string_copy(json, bytes);
		cr_assert_str_eq(bytes, values[i]);
	}
}

Test(log, bytes_that_are_no_text_are_replaced)
{
	_cleanup_free_ char *line =
		line_of((const struct log_field[]){F_STR("k", "a\xff\xc3\xa9\xe2\x82"), {0}});

	cr_assert_not_null(strstr(line, " k=\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"\n"),
			   "%s", line);
}

Test(log, a_missing_string_is_an_empty_one)
{
	const char *none = NULL;
	_cleanup_free_ char *line = line_of((const struct log_field[]){F_STR("k", none), {0}});

	cr_assert_not_null(strstr(line, " k=\"\"\n"), "%s", line);
}

Test(log, a_long_text_line_is_cut_and_ended)
{
	char value[5000];
	_cleanup_free_ char *line = NULL;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	line = line_of((const struct log_field[]){F_STR("k", value), F_INT("n", 1), {0}});
	cr_assert_leq(strlen(line), 2048);
	cr_assert_gt(strlen(line), 1000);
	cr_assert_eq(strcspn(line, "\n"), strlen(line) - 1);
}

Test(log, an_error_is_its_name_and_its_sentence)
{
	struct err e = {0};
	_cleanup_free_ char *line = NULL;

	err_set(&e, EACCES, "not allowed");
	line = line_of((const struct log_field[]){F_ERR(&e), {0}});
	cr_assert_not_null(strstr(line, " errno=EACCES reason=\"not allowed\"\n"), "%s", line);
}

Test(log, a_json_line_has_time_level_event_and_fields, .init = as_json)
{
	_cleanup_json_ cJSON *line = json_line_of(
		(const struct log_field[]){F_STR("path", "/app/db"), F_INT("uid", -5), {0}});

	cr_assert_neq(clock_parse_rfc3339(json_get_str(line, "time")), INT64_MIN);
	assert_member(line, "level", "info");
	assert_member(line, "event", "event");
	assert_member(line, "path", "/app/db");
	cr_assert_eq(json_get_int(line, "uid", 0), -5);
}

Test(log, odd_fields_survive_in_a_json_line, .init = as_json)
{
	_cleanup_json_ cJSON *line = json_line_of(
		(const struct log_field[]){F_STR("odd", ODD), F_STR("empty", ""), {0}});

	assert_member(line, "odd", ODD);
	assert_member(line, "empty", "");
}

Test(log, a_json_line_is_json_however_long_a_field_is, .init = as_json)
{
	static const char fill[] = {'x', '\n', '"'};
	char value[2500];

	for (size_t len = 0; len < sizeof(value); len += len < 250 || len > 1700 ? 1 : 50) {
		for (size_t i = 0; i < sizeof(fill); i++) {
			_cleanup_json_ cJSON *line = NULL;

			memset(value, fill[i], len);
			value[len] = '\0';
			line = json_line_of((const struct log_field[]){
				F_STR("long", value), F_INT("n", 7), F_STR("last", "z"), {0}});
			cr_assert_eq(json_get_int(line, "n", 0), 7, "%zu", len);
			assert_member(line, "last", "z");
		}
	}
}

Test(log, a_json_line_is_json_with_more_fields_than_it_holds, .init = as_json)
{
	struct log_field fields[17] = {0};
	char value[180];
	_cleanup_json_ cJSON *line = NULL;

	memset(value, 'y', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < 16; i++)
		fields[i] = (struct log_field)F_STR("k", value);
	line = json_line_of(fields);
	assert_member(line, "event", "event");
}

/* Names in a path need not be UTF-8, and a sentence may be cut within a character. */
Test(log, a_json_line_is_json_with_bytes_that_are_no_text, .init = as_json)
{
	_cleanup_json_ cJSON *line = json_line_of(
		(const struct log_field[]){F_STR("path", "/app/\xff\xc3"), F_INT("n", 7), {0}});

	cr_assert_eq(json_get_int(line, "n", 0), 7);
}

Test(log, a_sentence_that_has_room_is_in_the_json_line, .init = as_json)
{
	struct err e = {0};
	char words[500];
	_cleanup_json_ cJSON *line = NULL;

	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	err_set(&e, EIO, "%s", words);
	line = json_line_of((const struct log_field[]){F_ERR(&e), {0}});
	assert_member(line, "reason", words);
}

Test(log, an_unknown_target_or_format_is_refused)
{
	struct err e = {0};

	cr_assert_eq(log_open("printer", "text", &e), -EINVAL);
	cr_assert_not_null(strstr(e.text, "printer"));
	cr_assert_eq(log_open("stderr", "xml", &e), -EINVAL);
	cr_assert_not_null(strstr(e.text, "xml"));
	cr_assert_eq(log_open("stderr", "text", &e), 0);
}

Test(log, a_refused_target_changes_nothing)
{
	_cleanup_free_ char *line = NULL;

	cr_assert_eq(log_open("stderr", "xml", NULL), -EINVAL);
	line = line_of((const struct log_field[]){F_INT("n", 1), {0}});
	cr_assert_not_null(strstr(line, " info event n=1\n"), "%s", line);
}

static size_t lines_with(const char *text, const char *words)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, words)); at++)
		n++;
	return n;
}

/* One user's failures leave room for those of another, and what goes well fills no disk either. */
Test(log, each_uid_has_its_share_of_the_lines)
{
	struct err e = {0};
	_cleanup_free_ char *text = NULL;

	err_set(&e, EACCES, "no");
	support_capture();
	for (int i = 0; i < 1000; i++) {
		log_info("failed", F_INT("uid", 1), F_ERR(&e));
		log_info("done", F_INT("uid", 1));
		log_info("done", F_INT("uid", 0));
	}
	log_info("failed", F_INT("uid", 2), F_ERR(&e));
	text = support_captured();
	cr_assert_eq(lines_with(text, " failed uid=2 "), 1);
	cr_assert_lt(lines_with(text, " failed uid=1 "), 200);
	cr_assert_lt(lines_with(text, " done uid=1\n"), 900);
	cr_assert_eq(lines_with(text, " done uid=0\n"), 1000);
}
