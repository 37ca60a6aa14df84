// SPDX-License-Identifier: Apache-2.0
/* Names of the server in a directory: the map is a bijection, tried for all names of one and of two
 * bytes both ways; the whole names that have forms of their own; what no bytes are written as; how
 * long a name may be; and which bytes can be a component of a path. */

#include "unit_support.h"

#include "vault/path.h"
#include "node/name.h"

TestSuite(name, .fini = support_fini, .timeout = 120);

/* Bytes there and back; and that a directory can hold the name. */
static bool survives(const char *bytes, size_t len)
{
	char name[NAME_BYTES_MAX + 1], back[NAME_BYTES_MAX + 1];
	int n = name_escape(bytes, len, name);

	return n > 0 && (size_t)n == strlen(name) && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && strcmp(name, ".vault") != 0 &&
	       name_unescape(name, back) == (int)len && !memcmp(back, bytes, len) && !back[len];
}

/* A name of a directory there and back, where it is one that bytes are written as. */
static bool is_canonical_or_refused(const char *name)
{
	char bytes[NAME_BYTES_MAX + 1], again[NAME_BYTES_MAX + 1];
	int n = name_unescape(name, bytes);

	return n == -EINVAL ||
	       (n >= 0 && name_escape(bytes, (size_t)n, again) > 0 && !strcmp(again, name));
}

static void assert_maps(const char *bytes, size_t len, const char *name)
{
	char to[NAME_BYTES_MAX + 1];

	cr_assert_eq(name_escape(bytes, len, to), (int)strlen(name), "%s", name);
	cr_assert_str_eq(to, name);
	cr_assert_eq(name_unescape(name, to), (int)len, "%s", name);
	cr_assert_eq(memcmp(to, bytes, len), 0, "%s", name);
}

Test(name, all_bytes_of_length_one_and_two_come_back)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < 256; i++)
		bad += !survives((char[]){(char)i}, 1);
	for (unsigned i = 0; i < 65536; i++)
		bad += !survives((char[]){(char)i, (char)(i >> 8)}, 2);
	cr_assert_eq(bad, 0);
	cr_assert(survives("", 0));
}

Test(name, all_names_of_length_one_and_two_are_canonical_or_refused)
{
	unsigned bad = 0;

	for (unsigned i = 1; i < 256; i++)
		bad += !is_canonical_or_refused((char[]){(char)i, '\0'});
	for (unsigned i = 0; i < 65536; i++)
		bad += !is_canonical_or_refused((char[]){(char)i, (char)(i >> 8), '\0'});
	cr_assert_eq(bad, 0);
}

/* Every way in which three characters can follow "%". */
Test(name, all_escapes_are_canonical_or_refused)
{
	static const char digits[] = "%0123456789ABCDEFabcdef.xG";
	unsigned bad = 0, good = 0;
	char bytes[NAME_BYTES_MAX + 1];

	for (const char *a = digits; *a; a++)
		for (const char *b = digits; *b; b++)
			for (const char *c = digits; *c; c++) {
				char name[] = {'%', *a, *b, *c, '\0'};

				bad += !is_canonical_or_refused(name);
				good += name_unescape(name, bytes) >= 0;
			}
	cr_assert_eq(bad, 0);
	/* %2F, %25 and %00, each with any character behind that is no "%". */
	cr_assert_eq(good, 3 * (strlen(digits) - 1));
}

Test(name, what_needs_no_escape_is_as_it_is)
{
	assert_maps("password", 8, "password");
	assert_maps("a b\tc\nd", 7, "a b\tc\nd");
	assert_maps("\xff\xfe", 2, "\xff\xfe");
	assert_maps("日本", 6, "日本");
	assert_maps("...", 3, "...");
	assert_maps(".vaults", 7, ".vaults");
	assert_maps("vault", 5, "vault");
	assert_maps(".env", 4, ".env");
}

Test(name, slash_percent_and_nul_are_escaped)
{
	assert_maps("/", 1, "%2F");
	assert_maps("%", 1, "%25");
	assert_maps("\0", 1, "%00");
	assert_maps("a/b%c\0d", 7, "a%2Fb%25c%00d");
	assert_maps("%2F", 3, "%252F");
	assert_maps("%2E", 3, "%252E");
	assert_maps("./", 2, ".%2F");
	assert_maps(".vault\0", 7, ".vault%00");
}

Test(name, whole_names_have_forms_of_their_own)
{
	assert_maps("", 0, "%");
	assert_maps(".", 1, "%2E");
	assert_maps("..", 2, "%2E%2E");
	assert_maps(".vault", 6, "%2Evault");
}

Test(name, what_no_bytes_are_written_as_is_refused)
{
	static const char *const bad[] = {
		"",    ".",	    "..",	 ".vault",   "%2",	"%2f",	     "%2F%",
		"a%",  "%%",	    "%41",	 "%2Ea",     "a%2E",	"%2E.",	     ".%2E",
		"%2e", "%2E%2E%2E", "%25%2E",	 "%2evault", "%2Evaul", "%2Evault2", "%2EVault",
		"%0",  "%000%",	    "a%2Evault", "%GG",	     "% 2F",	"%2 F",
	};
	char to[NAME_BYTES_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(name_unescape(bad[i], to), -EINVAL, "%s", bad[i]);
}

Test(name, an_escaped_name_has_at_most_255_bytes)
{
	char bytes[300], to[NAME_BYTES_MAX + 1];

	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(name_escape(bytes, 255, to), 255);
	cr_assert_eq(strlen(to), 255);
	cr_assert_eq(name_escape(bytes, 256, to), -ENAMETOOLONG);
	cr_assert_eq(name_escape(bytes, 300, to), -ENAMETOOLONG);
	memset(bytes, '/', sizeof(bytes));
	cr_assert_eq(name_escape(bytes, 85, to), 255);
	cr_assert_eq(name_escape(bytes, 86, to), -ENAMETOOLONG);
	bytes[0] = bytes[1] = 'x';
	cr_assert_eq(name_escape(bytes, 86, to), 254);
	cr_assert_eq(name_escape(bytes, 87, to), -ENAMETOOLONG);
}

Test(name, a_name_of_a_directory_has_at_most_255_bytes)
{
	char name[400], to[NAME_BYTES_MAX + 1];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	cr_assert_eq(name_unescape(name, to), 255);
	name[255] = 'x';
	name[256] = '\0';
	cr_assert_eq(name_unescape(name, to), -EINVAL);
	for (size_t i = 0; i < 399; i++)
		name[i] = "%2F"[i % 3];
	name[255] = '\0';
	cr_assert_eq(name_unescape(name, to), 85);
	name[255] = '%';
	name[258] = '\0';
	cr_assert_eq(name_unescape(name, to), -EINVAL);
}

Test(name, random_bytes_come_back)
{
	unsigned seed = 1;

	for (int i = 0; i < 20000; i++) {
		char bytes[85];
		size_t len = (size_t)rand_r(&seed) % sizeof(bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = rand_r(&seed) % 3 ? (char)rand_r(&seed)
						     : "/%.\0v2EF"[rand_r(&seed) % 8];
		if (!survives(bytes, len))
			cr_assert_fail("round %d", i);
	}
}

Test(name, a_component_is_printable_utf8)
{
	static const char *const good[] = {"a",	  "a b",  "é",	 "日本", "%",  "...", "-",    " ",
					   "%2F", ".env", "a.b", "\"",	 "\\", "~",   "vault"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_assert_eq(path_check_component(good[i], strlen(good[i])), 0, "%s", good[i]);
}

Test(name, an_exact_path_has_no_slash_too_many)
{
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", "a/../b", "./a", "a/.vault"};

	cr_assert_eq(path_check_exact("a", NULL), 0);
	cr_assert_eq(path_check_exact("a/b.c/d", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(path_check_exact(bad[i], NULL), -EINVAL, "%s", bad[i]);
	cr_assert_eq(path_check("/a//b/", NULL), 0);
}

/* The server cannot hold the first three, and the last is ours. */
Test(name, whole_names_are_no_components)
{
	cr_assert_eq(path_check_component("", 0), -EINVAL);
	cr_assert_eq(path_check_component(".", 1), -EINVAL);
	cr_assert_eq(path_check_component("..", 2), -EINVAL);
	cr_assert_eq(path_check_component(".vault", 6), -EINVAL);
}

Test(name, bytes_that_no_path_can_hold_are_no_components)
{
	for (int c = 0; c < 0x20; c++)
		cr_assert_eq(path_check_component((char[]){'a', (char)c, 'b'}, 3), -EINVAL, "%d",
			     c);
	cr_assert_eq(path_check_component("a\x7f", 2), -EINVAL);
	cr_assert_eq(path_check_component("a/b", 3), -EINVAL);
	cr_assert_eq(path_check_component("/", 1), -EINVAL);
	cr_assert_eq(path_check_component("a\xff", 2), -EILSEQ);
	cr_assert_eq(path_check_component("\xc3", 1), -EILSEQ);
	cr_assert_eq(path_check_component("\xed\xa0\x80", 3), -EILSEQ);
}
