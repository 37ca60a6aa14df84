// SPDX-License-Identifier: Apache-2.0
/* Which numbers may be written: those that a server would print differently, or change, are
 * distinguished from those that come back unchanged. */

#include "unit_support.h"

#include "kv/kv_write.h"

#include <string.h>

TestSuite(kv_write, .fini = support_fini, .timeout = 120);

/* Prints a float64 like Go's encoding/json. */
Test(kv_write, numbers_that_come_back_as_they_are)
{
	static const char *const kept[] = {
		"0",
		"-0",
		"1",
		"-1",
		"10",
		"100000",
		"1.1",
		"-2.5",
		"0.1",
		"0.01",
		"0.000001",
		"0.00000123",
		"1e-7",
		"1.5e-7",
		"1e-10",
		"5e-324",
		"123456789.125",
		"9007199254740991",
		"9007199254740992",
		"12345678901234567000",
		"100000000000000000000",
		"1e+21",
		"1.5e+300",
		"1.7976931348623157e+308",
		"0.30000000000000004",
		"3.141592653589793",
	};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		cr_assert(kv_number_kept(kept[i], strlen(kept[i])), "%s", kept[i]);
}

Test(kv_write, numbers_that_come_back_as_others)
{
	static const char *const lost[] = {
		"1.10",
		"1.0",
		"0.0",
		"-0.0",
		"1e3",
		"1E3",
		"1e+3",
		"81111e1",
		"0.0000001",
		"1e-07",
		"1e21",
		"1000000000000000000000",
		"9007199254740993",
		"12345678901234567890",
		"0.1000000000000000055511151231257827",
		"3.14159265358979312",
		"1e400",
		"-1e400",
		"1e-400",
		"0e0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
		cr_assert_not(kv_number_kept(lost[i], strlen(lost[i])), "%s", lost[i]);
}

Test(kv_write, a_number_of_any_length_is_looked_at)
{
	char digits[2000];

	memset(digits, '9', sizeof(digits));
	cr_assert_not(kv_number_kept(digits, sizeof(digits)));
	cr_assert_not(kv_number_kept(digits, 390));
}

static bool kept(const char *json)
{
	return kv_numbers_kept(json, strlen(json));
}

Test(kv_write, numbers_are_found_wherever_they_stand)
{
	cr_assert(kept("{\"1.10\":[1,2,{\"a\":\"\\\"1.10\"}],\"b\":-7}"));
	cr_assert_not(kept("{\"a\":[1,2,{\"a\":1.10}],\"b\":-7}"));
	cr_assert_not(kept("[[[[1.0]]]]"));
	cr_assert_not(kept("1e2"));
	cr_assert(kept("true"));
	cr_assert(kept("null"));
	cr_assert(kept("\"\\\\\""));
}

static struct kv_version *version_of(const char *data)
{
	_cleanup_json_ cJSON *d = support_parse(data), *m = support_parse("{\"version\":1}");
	struct kv_version *v = NULL;

	cr_assert_eq(kv_version_parse(d, m, &v), 0, "%s", data);
	return v;
}

static int check(bool floats, const char *before, const char *after, struct err *err)
{
	const struct kv_ops ops = {.floats = floats, .flat = !floats};
	struct kv kv = {.ops = &ops};
	_cleanup_object_ struct kv_version *onto = version_of(before), *next = version_of(after);

	return kv_write_check(&kv, "s", onto, next, err);
}

Test(kv_write, a_lost_number_is_refused_where_it_is_new, .init = support_init)
{
	struct err err = {0};

	cr_assert_eq(check(true, "{}", "{\"pin\":1.10}", &err), -EINVAL);
	cr_assert(strstr(err_text(&err), "pin") != NULL);
	cr_assert_eq(check(true, "{\"pin\":1}", "{\"pin\":[1.10]}", NULL), -EINVAL);
	cr_assert_eq(check(true, "{\"pin\":1.10}", "{\"pin\":1.10,\"b\":2}", NULL), 0);
	cr_assert_eq(check(true, "{}", "{\"pin\":\"1.10\",\"n\":1.1}", NULL), 0);
	cr_assert_eq(check(false, "{}", "{\"pin\":1.10}", NULL), 0);
}
