// SPDX-License-Identifier: Apache-2.0
/* Sealed files: they open for the key and the matter that they were sealed with, and for nothing else;
 * which keys there are; and a token in one, that has an end. */

#include "unit_support.h"

#include "store/sealed.h"
#include "store/token_cache.h"

#include <stdio.h>
#include <sys/stat.h>

TestSuite(sealed, .fini = support_fini, .timeout = 120);

#define KEY "0123456789abcdef0123456789abcdef"

static struct secret *some_key(void)
{
	return secret_new(KEY, strlen(KEY));
}

static void write_text(const char *path, const struct secret *key, const char *text, size_t len)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add(&b, text, len);
	cr_assert_eq(sealed_write(path, key, "about", &b), 0);
}

static int read_back(const char *path, const struct secret *key, const char *about)
{
	_cleanup_buf_ struct buf b = {0};

	return sealed_read(path, key, about, 1000, &b, NULL);
}

Test(sealed, what_goes_in_comes_out, .init = support_init)
{
	_cleanup_free_ char *path = support_path("sealed");
	_cleanup_secret_ struct secret *key = some_key(), *raw = NULL;
	_cleanup_buf_ struct buf b = {0};
	struct stat st;

	write_text(path, key, "text\0 \xff\n", 8);
	cr_assert_eq(sealed_read(path, key, "about", 8, &b, NULL), 0);
	cr_assert_eq(b.len, 8);
	cr_assert_eq(memcmp(b.data, "text\0 \xff\n", 8), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(secret_from_file(path, 1000, SECRET_WORD, &raw, NULL), 0);
	cr_assert_null(memmem(raw->bytes, raw->len, "text", 4));
}

Test(sealed, another_key_matter_or_length_does_not_open, .init = support_init)
{
	_cleanup_free_ char *path = support_path("sealed"), *none = support_path("none");
	_cleanup_secret_ struct secret *key = some_key(), *other = secret_new(KEY, 31);

	write_text(path, key, "text", 4);
	cr_assert_eq(read_back(path, key, "about"), 0);
	cr_assert_eq(read_back(path, other, "about"), -EBADMSG);
	cr_assert_eq(read_back(path, key, "abouT"), -EBADMSG);
	cr_assert_eq(read_back(path, key, ""), -EBADMSG);
	cr_assert_eq(read_back(none, key, "about"), -ENOENT);
	write_text(path, key, KEY KEY, 64);
	{
		_cleanup_buf_ struct buf b = {0};

		cr_assert_eq(sealed_read(path, key, "about", 63, &b, NULL), -EFBIG);
	}
}

/* Each byte changed, and each length that is too short. */
Test(sealed, a_changed_file_does_not_open, .init = support_init)
{
	_cleanup_free_ char *path = support_path("sealed");
	_cleanup_secret_ struct secret *key = some_key();
	char bytes[200], changed[200];
	size_t len;
	FILE *f;

	write_text(path, key, "text", 4);
	f = fopen(path, "r");
	len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	for (size_t i = 0; i < len; i++) {
		memcpy(changed, bytes, len);
		changed[i] ^= 1;
		free(support_file("sealed", changed, len));
		cr_assert_eq(read_back(path, key, "about"), -EBADMSG, "byte %zu", i);
		free(support_file("sealed", bytes, i));
		cr_assert_eq(read_back(path, key, "about"), -EBADMSG, "%zu bytes", i);
	}
}

Test(sealed, two_files_of_a_text_are_not_the_same, .init = support_init)
{
	_cleanup_free_ char *a = support_path("a"), *b = support_path("b");
	_cleanup_secret_ struct secret *key = some_key(), *x = NULL, *y = NULL;

	write_text(a, key, "text", 4);
	write_text(b, key, "text", 4);
	cr_assert_eq(secret_from_file(a, 1000, SECRET_WORD, &x, NULL), 0);
	cr_assert_eq(secret_from_file(b, 1000, SECRET_WORD, &y, NULL), 0);
	cr_assert_not(secret_equal(x, y));
}

static void assert_no_key(const char *spec, int code, const char *word)
{
	struct sealed_keys keys;
	struct err err = {0};

	cr_assert_eq(sealed_keys_take(spec, "/nowhere/file", &keys, &err), -code, "%s", spec);
	cr_assert_null(keys.key);
	cr_assert_not_null(strstr(err_text(&err), word), "%s", err_text(&err));
}

Test(sealed, keys_are_of_the_machine_or_of_a_file, .init = support_init)
{
	_cleanup_free_ char *file = support_file("key", KEY, strlen(KEY)),
			    *small = support_file("small", "0123456789abcde", 15), *spec = NULL,
			    *small_spec = NULL;
	struct sealed_keys keys;

	cr_assert(asprintf(&spec, "file:%s", file) > 0 &&
		  asprintf(&small_spec, "file:%s", small) > 0);
	chmod(small, 0640);
	chmod(file, 0640);
	cr_assert_eq(sealed_keys_take(spec, file, &keys, NULL), 0);
	cr_assert_str_eq(keys.key->bytes, KEY);
	cr_assert_null(keys.unsalted);
	sealed_keys_fini(&keys);
	chmod(file, 0644);
	assert_no_key(spec, EPERM, "everybody");
	assert_no_key(small_spec, EINVAL, "16 bytes");
	assert_no_key("file:/nowhere", ENOENT, "/nowhere");
	assert_no_key("file:", EINVAL, "machine, file:PATH");
	assert_no_key("passphrase:0", EINVAL, "machine, file:PATH");
	assert_no_key("magic", EINVAL, "machine, file:PATH");
}

Test(sealed, the_machines_key_has_a_salt_beside_the_file, .init = support_init)
{
	_cleanup_free_ char *file = support_path("cache"), *salt = support_path("cache.salt");
	_cleanup_secret_ struct secret *machine = NULL, *token = secret_new("hvs.x", 5),
				       *back = NULL;
	struct sealed_keys keys, again;
	struct token_cache old = {.path = file, .about = "us"}, c = old;
	struct stat st;
	uint64_t ttl;

	cr_assert_eq(secret_from_file("/etc/machine-id", 100, SECRET_WORD, &machine, NULL), 0);
	old.key = machine;
	cr_assert_eq(token_cache_write(&old, token, 0), 0);
	cr_assert_eq(sealed_keys_take("machine", file, &keys, NULL), 0);
	cr_assert_eq(stat(salt, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	/* One of an earlier release is read once. */
	c.key = keys.key;
	c.unsalted = keys.unsalted;
	cr_assert_eq(token_cache_read(&c, &back, &ttl, NULL), 0);
	cr_assert_str_eq(back->bytes, "hvs.x");
	cr_assert_eq(sealed_keys_take("machine", file, &again, NULL), 0);
	cr_assert_null(again.unsalted);
	cr_assert(secret_equal(again.key, keys.key));
	c.unsalted = NULL;
	secret_put(steal(back));
	cr_assert_eq(token_cache_read(&c, &back, &ttl, NULL), -EBADMSG);
	/* A file sealed now does not open with the machine's name alone. */
	cr_assert_eq(token_cache_write(&c, token, 0), 0);
	cr_assert_eq(token_cache_read(&old, &back, &ttl, NULL), -EBADMSG);
	sealed_keys_fini(&keys);
	sealed_keys_fini(&again);
	/* Where there can be no salt, there is no key, and that costs the file alone. */
	cr_assert_eq(sealed_keys_take("machine", "/nowhere/cache", &again, NULL), -ENOENT);
	cr_assert(again.no_salt && !again.key);
	sealed_keys_fini(&again);
}

Test(sealed, a_token_is_kept_until_its_end, .init = support_init)
{
	_cleanup_free_ char *path = support_path("token");
	_cleanup_secret_ struct secret *key = some_key(), *token = secret_new("hvs.x", 5),
				       *back = NULL, *again = NULL;
	const struct token_cache c = {.path = path, .key = key, .about = "us"};
	const struct token_cache theirs = {.path = path, .key = key, .about = "them"};
	uint64_t ttl = 1;

	cr_assert_eq(token_cache_read(&c, &back, &ttl, NULL), -ENOENT);
	cr_assert_eq(token_cache_write(&c, token, 0), 0);
	cr_assert_eq(token_cache_read(&c, &back, &ttl, NULL), 0);
	cr_assert_str_eq(back->bytes, "hvs.x");
	cr_assert_eq(ttl, 0);
	cr_assert_eq(token_cache_read(&theirs, &again, &ttl, NULL), -EBADMSG);
	cr_assert_eq(token_cache_write(&c, token, 3600 * NS_PER_SEC), 0);
	cr_assert_eq(token_cache_read(&c, &again, &ttl, NULL), 0);
	cr_assert(ttl > 3000 * NS_PER_SEC && ttl <= 3600 * NS_PER_SEC);
	cr_assert_eq(token_cache_write(&c, token, 1), 0);
	support_sleep(1000);
	secret_put(steal(again));
	cr_assert_eq(token_cache_read(&c, &again, &ttl, NULL), -ETIME);
	token_cache_remove(&c);
	token_cache_remove(&c);
	cr_assert_eq(token_cache_read(&c, &again, &ttl, NULL), -ENOENT);
	cr_assert_null(again);
}
