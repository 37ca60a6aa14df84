// SPDX-License-Identifier: Apache-2.0
/* From an option such as key=machine to three keys.
 *
 *      machine-id, salt beside the store --+
 *      a file's content -------------------+-- HKDF, with the salt in the store --> values
 *      a credential of systemd ------------+                                    --> names
 *      passphrase -- scrypt ---------------+
 */

#include "store/store_key.h"

#include "base/buf.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MACHINE_ID     "/etc/machine-id"
#define CREDENTIAL     "vaultfs.key"
#define MIN_KEY	       16
#define MIN_PASSPHRASE 8
#define KEY_MAX	       (64u << 10)
#define SALT_BYTES     32
#define SALT_DIGITS    (2 * SALT_BYTES)
#define SCRYPT_LOG_N   15 /* 32 MiB, about a tenth of a second */
#define SCRYPT_BLOCKS  8

static int take_key(int fd, const char *path, struct secret **key, struct err *err)
{
	int r = secret_from_fd(fd, KEY_MAX, SECRET_WORD, key);

	if (r < 0)
		return err_set(err, -r, "cannot read the key %s: %s", path,
			       r == -ENODATA ? "the file is empty" : strerror(-r));
	if ((*key)->len >= MIN_KEY)
		return 0;
	secret_put(steal(*key));
	return err_set(err, EINVAL, "the key %s is shorter than %d bytes", path, MIN_KEY);
}

static int read_file(const char *path, struct secret **key, struct err *err)
{
	_cleanup_close_ int fd = trust_open(path, err);
	struct stat st;

	if (fd < 0)
		return err_prefix(err, "cannot read the key %s", path), fd;
	if (fstat(fd, &st) < 0 || (st.st_mode & 04))
		return err_set(err, EPERM, "everybody may read the key %s: chmod o-r it", path);
	return take_key(fd, path, key, err);
}

/* It belongs to the machine, lies in a folder of root's, and is public. */
static int read_machine_id(struct secret **key, struct err *err)
{
	_cleanup_close_ int fd = open(MACHINE_ID, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_set(err, errno, "cannot read %s: %s", MACHINE_ID, strerror(errno))
		      : take_key(fd, MACHINE_ID, key, err);
}

static int read_credential(const char *option, const char *name, struct secret **key,
			   struct err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	_cleanup_free_ char *path = NULL;

	if (!dir || !*dir)
		return err_set(err, ENOENT,
			       "%s=systemd-creds: there is no $CREDENTIALS_DIRECTORY: this is no "
			       "service with LoadCredentialEncrypted=%s",
			       option, name);
	if (strchr(name, '/'))
		return err_set(err, EINVAL, "%s=systemd-creds:%s: that is no name", option, name);
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return err_set(err, ENOMEM, "no memory");
	return read_file(path, key, err);
}

static int read_passphrase(const char *option, const char *fd, struct secret **key, struct err *err)
{
	char *end;
	long number = strtol(fd, &end, 10);
	int r;

	if (*fd < '0' || *fd > '9' || *end || number > 1 << 20)
		return err_set(err, EINVAL, "%s=passphrase:%s: expected a descriptor's number",
			       option, fd);
	r = secret_from_fd((int)number, KEY_MAX, SECRET_WORD, key);
	if (number > STDERR_FILENO)
		close((int)number);
	if (r < 0)
		return err_set(err, -r, "cannot read the passphrase from descriptor %s: %s", fd,
			       r == -ENODATA ? "there is nothing in it" : strerror(-r));
	if ((*key)->len >= MIN_PASSPHRASE)
		return 0;
	secret_put(steal(*key));
	return err_set(err, EINVAL, "the passphrase is shorter than %d bytes", MIN_PASSPHRASE);
}

int store_key_read(const char *option, const char *spec, struct store_key *key, struct err *err)
{
	*key = (struct store_key){.kind = STORE_KEY_MACHINE};
	if (!strcmp(spec, "machine"))
		return read_machine_id(&key->material, err);
	key->kind = STORE_KEY_FILE;
	if (!strncmp(spec, "file:", 5) && spec[5])
		return read_file(spec + 5, &key->material, err);
	key->kind = STORE_KEY_CREDENTIAL;
	if (!strcmp(spec, "systemd-creds"))
		return read_credential(option, CREDENTIAL, &key->material, err);
	if (!strncmp(spec, "systemd-creds:", 14) && spec[14])
		return read_credential(option, spec + 14, &key->material, err);
	key->kind = STORE_KEY_PASSPHRASE;
	if (!strncmp(spec, "passphrase:", 11))
		return read_passphrase(option, spec + 11, &key->material, err);
	return err_set(err, EINVAL,
		       "%s=%s: expected machine, file:PATH, systemd-creds or passphrase:FD", option,
		       spec);
}

void store_key_fini(struct store_key *key)
{
	secret_put(steal(key->material));
}

void store_salts_fini(struct store_salts *s)
{
	for (size_t i = 0; i < s->count; i++)
		secret_put(s->salts[i]);
	*s = (struct store_salts){0};
}

static char *salts_path(const char *store)
{
	char *path;

	return asprintf(&path, "%s.salt", store) < 0 ? NULL : path;
}

bool store_salts_exist(const char *store)
{
	_cleanup_free_ char *path = salts_path(store);

	return path && access(path, F_OK) == 0;
}

static int parse_salts(const struct secret *text, struct store_salts *s)
{
	const char *p = text->bytes;

	while (*p) {
		size_t n = strspn(p, "0123456789abcdef");

		if (n != SALT_DIGITS || s->count == STORE_SALTS || (p[n] && p[n] != '\n'))
			return -EBADMSG;
		s->salts[s->count] = secret_new(p, n);
		if (!s->salts[s->count])
			return -ENOMEM;
		s->count++;
		p += n + (p[n] == '\n');
	}
	return 0;
}

static struct secret *new_salt(void)
{
	unsigned char bytes[SALT_BYTES];
	char digits[SALT_DIGITS + 1];

	if (crypt_random(bytes, sizeof(bytes)) < 0)
		return NULL;
	for (size_t i = 0; i < SALT_BYTES; i++)
		snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
	return secret_new(digits, SALT_DIGITS);
}

/* Never overwrites existing salts: a store may depend on them. */
static int create_salts(const char *path, struct err *err)
{
	_cleanup_secret_ struct secret *salt = new_salt();
	_cleanup_free_ char *fresh = NULL;
	int r;

	if (!salt || asprintf(&fresh, "%s.%d", path, (int)getpid()) < 0)
		return err_set(err, ENOMEM, "no memory");
	r = secret_to_file(salt, fresh);
	if (r == 0 && link(fresh, path) < 0 && errno != EEXIST)
		r = -errno;
	unlink(fresh);
	return r < 0 ? err_set(err, -r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

int store_salts_read(const char *store, bool create, struct store_salts *s, struct err *err)
{
	_cleanup_free_ char *path = salts_path(store);
	_cleanup_secret_ struct secret *text = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!path)
		return err_set(err, ENOMEM, "no memory");
	r = create && !store_salts_exist(store) ? create_salts(path, err) : 0;
	if (r < 0)
		return r;
	fd = trust_open(path, err);
	if (fd < 0)
		return err_prefix(err, "cannot read %s, without which key=machine opens nothing",
				  path),
		       fd;
	if (fstat(fd, &st) < 0 || (st.st_mode & 077))
		return err_set(err, EPERM, "others may read %s: chmod 600 it", path);
	r = secret_from_fd(fd, KEY_MAX, SECRET_WORD, &text);
	if (r < 0)
		return err_set(err, -r, "cannot read %s: %s", path,
			       r == -ENODATA ? "the file is empty" : strerror(-r));
	r = parse_salts(text, s);
	return r < 0 ? err_set(err, -r, "%s is damaged", path) : 0;
}

int store_sync_folder(const char *file)
{
	const char *slash = strrchr(file, '/');
	_cleanup_free_ char *dir = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
	_cleanup_close_ int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_salts(const char *store, const struct store_salts *s, struct err *err)
{
	_cleanup_free_ char *path = salts_path(store);
	_cleanup_secret_ struct secret *text = NULL;
	_cleanup_buf_ struct buf b = {0};
	int r = -ENOMEM;

	for (size_t i = 0; i < s->count; i++)
		buf_printf(&b, "%s%s", i ? "\n" : "", s->salts[i]->bytes);
	if (path && buf_status(&b) == 0)
		text = secret_new(b.data, b.len);
	if (text)
		r = secret_to_file(text, path);
	if (r == 0)
		r = store_sync_folder(path);
	return r < 0 ? err_set(err, -r, "cannot write %s: %s", path ? path : store, strerror(-r))
		     : 0;
}

int store_salts_add(const char *store, struct store_salts *s, struct err *err)
{
	if (s->count == STORE_SALTS)
		return err_set(err, EINVAL, "%s.salt holds too many salts", store);
	s->salts[s->count] = new_salt();
	if (!s->salts[s->count])
		return err_set(err, ENOMEM, "no memory");
	s->count++;
	return write_salts(store, s, err);
}

int store_salts_keep(const char *store, const struct store_salts *s, size_t i, struct err *err)
{
	struct store_salts one = {.count = 1, .salts = {s->salts[i]}};

	return write_salts(store, &one, err);
}

int store_salts_remove(const char *store, struct err *err)
{
	_cleanup_free_ char *path = salts_path(store);

	if (!path || (unlink(path) < 0 && errno != ENOENT))
		return err_set(err, path ? errno : ENOMEM, "cannot remove %s.salt", store);
	return 0;
}

int store_kdf_new(const struct store_key *key, struct store_kdf *kdf)
{
	*kdf = (struct store_kdf){0};
	if (key->kind == STORE_KEY_PASSPHRASE) {
		kdf->log_n = SCRYPT_LOG_N;
		kdf->blocks = SCRYPT_BLOCKS;
	}
	return crypt_random(kdf->salt, sizeof(kdf->salt));
}

int store_secrets_derive(const struct store_key *key, const struct secret *salt,
			 const struct store_kdf *kdf, struct store_secrets *out)
{
	_cleanup_buf_ struct buf b = {0};
	int r = 0;

	if (kdf->log_n) {
		buf_resize(&b, CRYPT_KEY);
		if (buf_status(&b) < 0)
			return -ENOMEM;
		r = crypt_stretch(key->material->bytes, key->material->len, kdf->salt, kdf->log_n,
				  kdf->blocks, (unsigned char *)b.data);
	} else {
		buf_add(&b, key->material->bytes, key->material->len);
		if (salt)
			buf_add(&b, salt->bytes, salt->len);
		r = buf_status(&b);
	}
	if (r == 0)
		r = crypt_derive(b.data, b.len, kdf->salt, "vaultfs store, values", out->seal);
	if (r == 0)
		r = crypt_derive(b.data, b.len, kdf->salt, "vaultfs store, names", out->name);
	if (r == 0)
		r = crypt_derive(b.data, b.len, kdf->salt, "vaultfs store, state", out->state);
	return r;
}
