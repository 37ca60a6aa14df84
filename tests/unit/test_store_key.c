// SPDX-License-Identifier: Apache-2.0
/* Where keys of stores come from: files, descriptors, credentials, the machine and a salt. */

#include "unit_support.h"

#include "store/store_key.h"

#include <stdio.h>
#include <sys/stat.h>

TestSuite(store_key, .init = support_init, .fini = support_fini, .timeout = 120);

#define KEY "0123456789abcdef0123456789abcdef"

static struct store_secrets derived(const char *spec, const struct secret *salt,
				    const struct store_kdf *kdf)
{
	_cleanup_store_key_ struct store_key key = {0};
	struct store_secrets s;
	struct err err = {0};

	cr_assert_eq(store_key_read("key", spec, &key, &err), 0, "%s", err_text(&err));
	cr_assert_eq(store_secrets_derive(&key, salt, kdf, &s), 0);
	return s;
}

static bool same(const struct store_secrets *a, const struct store_secrets *b)
{
	return !memcmp(a, b, sizeof(*a));
}

Test(store_key, keys_differ_by_what_they_are_made_of)
{
	_cleanup_free_ char *file = support_file("key", KEY, 32), *spec = NULL;
	_cleanup_secret_ struct secret *salt = secret_new("a", 1), *other = secret_new("b", 1);
	struct store_kdf kdf = {.salt = "0123456789abcde"}, kdf2 = {.salt = "0123456789abcdE"};
	struct store_secrets a, b, c, d, e;

	chmod(file, 0600);
	cr_assert(asprintf(&spec, "file:%s", file) > 0);
	a = derived(spec, NULL, &kdf);
	b = derived(spec, NULL, &kdf);
	c = derived(spec, NULL, &kdf2);
	d = derived("machine", salt, &kdf);
	e = derived("machine", other, &kdf);
	cr_assert(same(&a, &b));
	cr_assert_not(same(&a, &c));
	cr_assert_not(same(&d, &e));
	cr_assert_not(same(&a, &d));
	cr_assert_neq(memcmp(a.seal, a.name, sizeof(a.seal)), 0);
}

Test(store_key, a_passphrase_comes_from_a_descriptor_once)
{
	struct store_kdf kdf = {.salt = "0123456789abcde", .log_n = 10, .blocks = 8};
	struct store_key key = {0};
	struct store_secrets a, b;
	struct err err = {0};
	char spec[40];
	int fds[2];

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pipe(fds), 0);
		cr_assert_eq(write(fds[1], "correct horse\n", 14), 14);
		close(fds[1]);
		snprintf(spec, sizeof(spec), "passphrase:%d", fds[0]);
		*(i ? &b : &a) = derived(spec, NULL, &kdf);
		cr_assert_eq(store_key_read("key", spec, &key, &err), -EBADF);
	}
	cr_assert(same(&a, &b));
	/* Computed by Python's hashlib.scrypt() and hmac. */
	cr_assert_eq(memcmp(a.seal, "\xb9\x75\xb9\xde\xff\x66\x73\xfc", 8), 0);
	cr_assert_eq(memcmp(a.name, "\x0e\x46\x2b\x6a\x5f\xe3\x50\xc3", 8), 0);
	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], "short\n", 6), 6);
	close(fds[1]);
	snprintf(spec, sizeof(spec), "passphrase:%d", fds[0]);
	cr_assert_eq(store_key_read("key", spec, &key, &err), -EINVAL);
	cr_assert_eq(store_key_read("key", "passphrase:x", &key, &err), -EINVAL);
	cr_assert_eq(store_key_read("key", "nonsense", &key, &err), -EINVAL);
	cr_assert_not_null(strstr(err_text(&err), "key=nonsense"));
}

Test(store_key, a_credential_is_what_systemd_has_put_there)
{
	_cleanup_free_ char *file = support_file("vaultfs.key", KEY, 32),
			    *named = support_file("other", "fedcba9876543210", 16);
	struct store_key key = {0};
	struct err err = {0};

	chmod(file, 0400);
	chmod(named, 0400);
	unsetenv("CREDENTIALS_DIRECTORY");
	cr_assert_eq(store_key_read("key", "systemd-creds", &key, &err), -ENOENT);
	setenv("CREDENTIALS_DIRECTORY", support_dir(), 1);
	cr_assert_eq(store_key_read("key", "systemd-creds", &key, &err), 0);
	cr_assert_str_eq(key.material->bytes, KEY);
	store_key_fini(&key);
	cr_assert_eq(store_key_read("key", "systemd-creds:other", &key, &err), 0);
	cr_assert_str_eq(key.material->bytes, "fedcba9876543210");
	store_key_fini(&key);
	cr_assert_eq(store_key_read("key", "systemd-creds:../x", &key, &err), -EINVAL);
}

Test(store_key, salts_are_made_once_and_for_the_owner)
{
	_cleanup_free_ char *store = support_path("db"), *path = support_path("db.salt");
	_cleanup_salts_ struct store_salts a = {0}, b = {0}, c = {0};
	struct err err = {0};
	struct stat st;

	cr_assert_eq(store_salts_read(store, false, &a, &err), -ENOENT);
	cr_assert_eq(store_salts_read(store, true, &a, &err), 0);
	cr_assert_eq(store_salts_read(store, true, &b, &err), 0);
	cr_assert_eq(a.count, 1);
	cr_assert_eq(a.salts[0]->len, 64);
	cr_assert(secret_equal(a.salts[0], b.salts[0]));
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(store_salts_add(store, &a, &err), 0);
	cr_assert_eq(store_salts_read(store, false, &c, &err), 0);
	cr_assert_eq(c.count, 2);
	cr_assert(secret_equal(c.salts[1], a.salts[1]));
	cr_assert_eq(store_salts_add(store, &a, &err), -EINVAL);
	cr_assert_eq(store_salts_keep(store, &a, 1, &err), 0);
	store_salts_fini(&c);
	cr_assert_eq(store_salts_read(store, false, &c, &err), 0);
	cr_assert_eq(c.count, 1);
	cr_assert(secret_equal(c.salts[0], a.salts[1]));
	chmod(path, 0640);
	store_salts_fini(&c);
	cr_assert_eq(store_salts_read(store, false, &c, &err), -EPERM);
}

Test(store_key, a_damaged_salt_is_refused)
{
	static const char *const texts[] = {"", "0123", KEY KEY "0",
					    KEY KEY "\n" KEY KEY "\n" KEY KEY, KEY KEY "G"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *store = support_path("db"),
				    *path = support_file("db.salt", texts[i], strlen(texts[i]));
		_cleanup_salts_ struct store_salts s = {0};
		struct err err = {0};

		chmod(path, 0600);
		cr_assert(store_salts_read(store, false, &s, &err) < 0, "%s", texts[i]);
	}
}
