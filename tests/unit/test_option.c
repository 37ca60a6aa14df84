// SPDX-License-Identifier: Apache-2.0
/* Options: which text each type takes and refuses, its bounds included, that a refused value changes
 * nothing and its sentence names the option and what it takes; and that the table itself is sound. */

#include "unit_support.h"

#include "conf/conf.h"
#include "conf/option.h"

#define NAME(s) option_find((s), strlen(s))

static struct conf conf;

static void begin(void)
{
	support_init();
	cr_assert_eq(conf_init(&conf, NULL), 0);
}

static void end(void)
{
	conf_fini(&conf);
	support_fini();
}

TestSuite(option, .init = begin, .fini = end, .timeout = 120);

static void assert_set(const char *name, const char *value, const uint64_t *to, uint64_t expected)
{
	struct err err = {0};

	cr_expect_eq(option_set(&conf, NAME(name), value, &err), 0, "%s=%s: %s", name, value,
		     err_text(&err));
	cr_expect_eq(*to, expected, "%s=%s is %zu", name, value, (size_t)*to);
}

static void assert_refused(const char *name, const char *value)
{
	const struct option *o = NAME(name);
	const char *member = (const char *)&conf + o->offset;
	size_t size = o->type == OPTION_BOOL ? sizeof(bool) : sizeof(uint64_t);
	struct err err = {0};
	uint64_t before = 0;

	memcpy(&before, member, size);
	cr_expect_eq(option_set(&conf, o, value, &err), -EINVAL, "%s=%s is taken", name, value);
	cr_expect_eq(err.code, EINVAL);
	cr_expect_not_null(strstr(err_text(&err), name), "%s is not named: %s", name,
			   err_text(&err));
	cr_expect_eq(memcmp(&before, member, size), 0, "%s=%s has changed it", name, value);
}

static void assert_all_refused(const char *name, const char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(name, values[i]);
}

Test(option, defaults_are_those_of_the_table)
{
	cr_assert_eq(conf.timeout, 10 * NS_PER_SEC);
	cr_assert_eq(conf.ttl, 300 * NS_PER_SEC);
	cr_assert_eq(conf.negative_ttl, 5 * NS_PER_SEC);
	cr_assert_eq(conf.max_stale, 3600 * NS_PER_SEC);
	cr_assert_eq(conf.max_retries, 2);
	cr_assert_eq(conf.rate, 1000);
	cr_assert_eq(conf.parallel, 16);
	cr_assert_eq(conf.max_size, 1 << 20);
	cr_assert_eq(conf.mode, 0600);
	cr_assert_eq(conf.dir_mode, 0700);
	cr_assert_eq(conf.uid, geteuid());
	cr_assert_eq(conf.gid, getegid());
	cr_assert_str_eq(conf.source, "secret");
	cr_assert_eq(conf.rmdir, CONF_RMDIR_HIDE);
	cr_assert_eq(conf.conflict, CONF_CONFLICT_MERGE);
	cr_assert_not(conf.read_only);
	cr_assert_not(conf.allow_other);
	cr_assert_not(conf.tls_skip_verify);
	cr_assert_null(conf.address, "there is no default address");
	cr_assert_null(conf.token);
}

Test(option, names_are_exact)
{
	cr_assert_not_null(NAME("ttl"));
	cr_assert_eq(option_find("ttl=5", 3), NAME("ttl"));
	cr_assert_null(NAME("tt"));
	cr_assert_null(NAME("ttls"));
	cr_assert_null(NAME("TTL"));
	cr_assert_null(NAME(""));
}

Test(option, no_row_lacks_what_its_reader_needs)
{
	size_t n;
	const struct option *table = option_table(&n);

	for (size_t i = 0; i < n; i++) {
		const struct option *o = &table[i];

		cr_expect_not_null(o->help, "row %zu", i);
		cr_expect(o->name || o->env[0], "row %zu cannot be set", i);
		if (!o->name)
			continue;
		cr_expect_eq(NAME(o->name), o, "%s is there twice", o->name);
		cr_expect(o->meaning || o->type == OPTION_BOOL || o->type == OPTION_IGNORED, "%s",
			  o->name);
		cr_expect_eq(o->type == OPTION_CHOICE, o->choices != NULL, "%s", o->name);
		cr_expect_leq(o->min, o->max, "%s", o->name);
		cr_expect_neq(o->type, OPTION_SECRET, "%s can be set where others see it", o->name);
	}
}

Test(option, no_text_holds_a_control_character_but_pem)
{
	size_t n;
	const struct option *table = option_table(&n);

	for (size_t i = 0; i < n; i++) {
		static const char *const bad[] = {"a\r\nX-Evil: 1", "a\nb", "a\tb", "\x7f", "\x01"};
		const struct option *o = &table[i];

		if (o->type != OPTION_STRING && o->type != OPTION_ADDRESSES)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
			struct err err = {0};
			int r = option_set(&conf, o, bad[k], &err);

			cr_expect_eq(r, o->lines ? 0 : -EINVAL, "%s",
				     o->name ? o->name : o->env[0]);
			cr_expect(o->lines || strstr(err_text(&err), "control character"));
		}
		cr_expect(!o->lines || !o->name, "PEM comes by the environment alone");
	}
}

Test(option, a_string_is_a_copy_and_nothing_is_none)
{
	char value[] = "https://a:1";

	cr_assert_eq(option_set(&conf, NAME("addr"), value, NULL), 0);
	value[0] = 'X';
	cr_assert_str_eq(conf.address, "https://a:1");
	cr_assert_eq(option_set(&conf, NAME("addr"), "https://b", NULL), 0);
	cr_assert_str_eq(conf.address, "https://b");
	cr_assert_eq(option_set(&conf, NAME("addr"), "", NULL), 0);
	cr_assert_null(conf.address);
}

Test(option, nothing_for_a_string_is_its_default)
{
	cr_assert_eq(option_set(&conf, NAME("log_level"), "debug", NULL), 0);
	cr_assert_str_eq(conf.log_level, "debug");
	cr_assert_eq(option_set(&conf, NAME("log_level"), "", NULL), 0);
	cr_assert_str_eq(conf.log_level, "info");
}

/* The daemon does not stay in the directory that it was started in. */
Test(option, a_file_is_made_absolute)
{
	_cleanup_free_ char *expected = support_path("sub/ca.pem");

	cr_assert_eq(chdir(support_dir()), 0);
	cr_assert_eq(option_set(&conf, NAME("ca_cert"), "sub/ca.pem", NULL), 0);
	cr_assert_str_eq(conf.ca_cert, expected);
	cr_assert_eq(option_set(&conf, NAME("ca_cert"), "/etc/ca.pem", NULL), 0);
	cr_assert_str_eq(conf.ca_cert, "/etc/ca.pem");
	cr_assert_eq(option_set(&conf, NAME("ca_cert"), "", NULL), 0);
	cr_assert_null(conf.ca_cert);
}

Test(option, booleans)
{
	static const char *const yes[] = {"1",	"t",	"true", "y", "yes",
					  "on", "TRUE", "Yes",	"",  NULL};
	static const char *const no[] = {"0", "f", "false", "n", "no", "off", "False", "NO"};
	static const char *const bad[] = {"2", "maybe", "tru", "yess", " yes", "yes ", "01", "-1"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		conf.read_only = false;
		cr_assert_eq(option_set(&conf, NAME("ro"), yes[i], NULL), 0);
		cr_assert(conf.read_only, "%s", yes[i] ? yes[i] : "alone");
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		conf.read_only = true;
		cr_assert_eq(option_set(&conf, NAME("ro"), no[i], NULL), 0);
		cr_assert_not(conf.read_only, "%s", no[i]);
	}
	assert_all_refused("ro", bad, ARRAY_SIZE(bad));
}

Test(option, numbers_and_their_bounds)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "0x10",
					  "1.0",
					  "1e3",
					  "ten",
					  "0",
					  "257",
					  "18446744073709551616",
					  "99999999999999999999"};

	assert_set("parallel", "1", &conf.parallel, 1);
	assert_set("parallel", "256", &conf.parallel, 256);
	assert_set("parallel", "007", &conf.parallel, 7);
	assert_all_refused("parallel", bad, ARRAY_SIZE(bad));
	assert_set("max_retries", "0", &conf.max_retries, 0);
	assert_set("max_retries", "100", &conf.max_retries, 100);
	assert_refused("max_retries", "101");
	assert_set("rate", "0", &conf.rate, 0);
	assert_set("rate", "1000000", &conf.rate, 1000000);
	assert_refused("rate", "1000001");
}

Test(option, sizes_and_their_bounds)
{
	static const char *const bad[] = {"",	  "M",	 "-1",	"+1M", " 1M",	"1 M",
					  "1.5M", "1X",	 "1MB", "1Mi", "1MiBs", "1T",
					  "1MM",  "0x1", "16 ", "1M "};

	assert_set("max_size", "1", &conf.max_size, 1);
	assert_set("max_size", "65536", &conf.max_size, 65536);
	assert_set("max_size", "512K", &conf.max_size, 512 << 10);
	assert_set("max_size", "512k", &conf.max_size, 512 << 10);
	assert_set("max_size", "2M", &conf.max_size, 2 << 20);
	assert_set("max_size", "2MiB", &conf.max_size, 2 << 20);
	assert_set("max_size", "32m", &conf.max_size, 32 << 20);
	assert_set("cache_size", "1G", &conf.cache_size, 1 << 30);
	assert_set("cache_size", "4096M", &conf.cache_size, UINT64_C(4096) << 20);
	assert_all_refused("max_size", bad, ARRAY_SIZE(bad));
	assert_refused("max_size", "0");
	assert_refused("max_size", "33M");
	assert_refused("max_size", "33554433");
	assert_refused("cache_size", "65535");
	assert_refused("cache_size", "4097M");
	assert_refused("cache_size", "99999999999999999999");
}

/* Such as 2^34 + 1 gigabytes, which in 64 bits are one. */
Test(option, sizes_do_not_wrap_round)
{
	assert_refused("cache_size", "17179869185G");
	assert_refused("cache_size", "17179869188G");
	assert_refused("cache_size", "68719476735G");
	assert_refused("max_size", "17592186044417M");
	assert_refused("max_size", "18014398509481985K");
}

Test(option, durations_and_their_bounds)
{
	static const char *const bad[] = {"", "-1s", "1x", "s", "1 s", "never", "1.5s"};

	assert_set("ttl", "0", &conf.ttl, 0);
	assert_set("ttl", "250ms", &conf.ttl, 250 * NS_PER_MS);
	assert_set("ttl", "90", &conf.ttl, 90 * NS_PER_SEC);
	assert_set("ttl", "1h30m", &conf.ttl, 5400 * NS_PER_SEC);
	assert_set("ttl", "365d", &conf.ttl, 365 * 86400 * NS_PER_SEC);
	assert_all_refused("ttl", bad, ARRAY_SIZE(bad));
	assert_refused("ttl", "366d");
	assert_set("timeout", "100ms", &conf.timeout, 100 * NS_PER_MS);
	assert_set("timeout", "10m", &conf.timeout, 600 * NS_PER_SEC);
	assert_refused("timeout", "99ms");
	assert_refused("timeout", "0");
	assert_refused("timeout", "601s");
}

Test(option, modes_are_octal_and_of_nine_bits)
{
	static const char *const bad[] = {"",
					  "8",
					  "0o600",
					  "u=rw",
					  "-1",
					  "01000",
					  "1777",
					  "0x1ff",
					  "600 ",
					  "rw-------",
					  "99999999999999999999999"};

	assert_set("mode", "0640", &conf.mode, 0640);
	assert_set("mode", "640", &conf.mode, 0640);
	assert_set("mode", "0", &conf.mode, 0);
	assert_set("dir_mode", "777", &conf.dir_mode, 0777);
	assert_all_refused("mode", bad, ARRAY_SIZE(bad));
}

Test(option, users_and_groups_by_name_or_number)
{
	static const char *const bad[] = {"",		"no-such-user-here",	"-1", "4294967295",
					  "4294967296", "99999999999999999999", "1 ", "0x0"};

	assert_set("uid", "0", &conf.uid, 0);
	assert_set("uid", "root", &conf.uid, 0);
	assert_set("uid", "4294967294", &conf.uid, 4294967294);
	assert_set("gid", "0", &conf.gid, 0);
	assert_set("gid", "root", &conf.gid, 0);
	assert_set("gid", "1234", &conf.gid, 1234);
	assert_all_refused("uid", bad, ARRAY_SIZE(bad));
	assert_all_refused("gid", bad, ARRAY_SIZE(bad));
}

Test(option, choices_are_by_their_whole_name)
{
	static const char *const bad[] = {"",		"hid", "hides",	 "Hide",
					  "hide purge", " ",   "purge ", "0"};

	assert_set("rmdir", "purge", &conf.rmdir, CONF_RMDIR_PURGE);
	assert_set("rmdir", "hide", &conf.rmdir, CONF_RMDIR_HIDE);
	assert_set("conflict", "strict", &conf.conflict, CONF_CONFLICT_STRICT);
	assert_set("conflict", "merge", &conf.conflict, CONF_CONFLICT_MERGE);
	assert_all_refused("rmdir", bad, ARRAY_SIZE(bad));
}

Test(option, a_name_alone_is_for_booleans)
{
	struct err err = {0};

	cr_assert_eq(option_set(&conf, NAME("allow_other"), NULL, &err), 0);
	cr_assert(conf.allow_other);
	cr_assert_eq(option_set(&conf, NAME("rw"), NULL, &err), 0);
	cr_assert_eq(option_set(&conf, NAME("ttl"), NULL, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "ttl=TIME"), "%s", err_text(&err));
	cr_assert_eq(option_set(&conf, NAME("addr"), NULL, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "addr=URL"), "%s", err_text(&err));
}

static void assert_sentence(const char *name, const char *value, const char *expected)
{
	struct err err = {0};

	cr_assert_eq(option_set(&conf, NAME(name), value, &err), -EINVAL);
	cr_assert_str_eq(err_text(&err), expected);
}

Test(option, the_sentence_says_what_it_takes)
{
	assert_sentence("ttl", "never", "ttl=never: expected a time: 250ms, 10s, 5m, 1h");
	assert_sentence("cache_size", "big", "cache_size=big: expected a size: 65536, 512K, 16M");
	assert_sentence("mode", "rw", "mode=rw: expected permissions, in octal: 0640");
	assert_sentence("ro", "maybe", "ro=maybe: expected yes or no");
	assert_sentence("parallel", "many", "parallel=many: expected a number");
	assert_sentence("rmdir", "x", "rmdir=x: expected one of hide purge");
	assert_sentence("uid", "nobody-here",
			"uid=nobody-here: expected a user, by name or number");
	assert_sentence("parallel", "0", "parallel=0 is out of bounds");
}

Test(option, a_size_with_a_blank_behind_is_no_size)
{
	assert_sentence("cache_size", "16 ", "cache_size=16 : expected a size: 65536, 512K, 16M");
}

Test(option, a_rate_is_rounded_up_and_may_have_a_burst)
{
	static const struct {
		const char *text;
		int r;
		uint64_t rate;
	} rows[] = {{"0", 0, 0},	 {"7", 0, 7},	      {"0.1", 0, 1},
		    {"2.5", 0, 3},	 {"10:20", 0, 10},    {"1000001", -EINVAL, 0},
		    {"-1", -EINVAL, 0},	 {"", -EINVAL, 0},    {"x", -EINVAL, 0},
		    {"1:x", -EINVAL, 0}, {"nan", -EINVAL, 0}, {"1e99", -EINVAL, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf c = {0};

		cr_expect_eq(option_set(&c, option_find("rate", 4), rows[i].text, NULL), rows[i].r,
			     "%s", rows[i].text);
		cr_expect(rows[i].r < 0 || c.rate == rows[i].rate, "%s", rows[i].text);
	}
}
