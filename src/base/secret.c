// SPDX-License-Identifier: Apache-2.0
/* Tokens, passwords and keys: counted, and wiped when freed. */

#include "base/secret.h"

#include "base/secmem.h"
#include "base/trust.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

struct secret *secret_new(const char *bytes, size_t len)
{
	struct secret *s = secmem_alloc(sizeof(*s) + len + 1);

	if (!s)
		return NULL;
	s->refs = 1;
	s->len = len;
	memcpy(s->bytes, bytes, len);
	s->bytes[len] = '\0';
	return s;
}

/* The beginning of the secret without the surrounding space, and its length in *len. */
static const char *trim(const char *text, size_t *len, enum secret_form form)
{
	const char *end = text + *len;

	if (form == SECRET_LINE) {
		if (end > text && end[-1] == '\n')
			end--;
		if (end > text && end < text + *len && end[-1] == '\r')
			end--;
	} else {
		while (end > text && isspace((unsigned char)end[-1]))
			end--;
		while (text < end && isspace((unsigned char)*text))
			text++;
	}
	*len = (size_t)(end - text);
	return text;
}

int secret_from_text(const char *text, size_t len, enum secret_form form, struct secret **out)
{
	const char *from = trim(text, &len, form);

	if (!len)
		return -ENODATA;
	*out = secret_new(from, len);
	return *out ? 0 : -ENOMEM;
}

int secret_from_fd(int fd, size_t max, enum secret_form form, struct secret **out)
{
	_cleanup_secmem_ char *text = secmem_alloc(max + 1);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	while ((n = read(fd, text + len, max + 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	return secret_from_text(text, len, form, out);
}

int secret_from_file(const char *path, size_t max, enum secret_form form, struct secret **out,
		     struct err *err)
{
	_cleanup_close_ int fd = trust_open(path, err);
	int r;

	if (fd < 0)
		return fd;
	r = secret_from_fd(fd, max, form, out);
	if (r == -ENODATA)
		return err_set(err, ENODATA, "the file is empty");
	return r < 0 ? err_set(err, -r, "%s", strerror(-r)) : 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int secret_to_file(const struct secret *s, const char *path)
{
	_cleanup_free_ char *made = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&made, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(made, O_CLOEXEC); /* with mode 0600 */
	if (fd < 0)
		return -errno;
	r = write_all(fd, s->bytes, s->len);
	if (r == 0 && rename(made, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(made);
	return r;
}

struct secret *secret_ref(struct secret *s)
{
	if (s)
		__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void secret_put(struct secret *s)
{
	if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
		secmem_free(s);
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	if (!a || !b)
		return a == b;
	return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}
