// SPDX-License-Identifier: Apache-2.0
/* Trusted authorities from a folder of ordinary files. OpenSSL's own folders need names that
 * c_rehash(1) makes from hashes; people and Kubernetes just put a certificate there. So we walk the
 * folder as the official client does (hashicorp/go-rootcerts, LoadCAPath). Links to files are
 * followed, links to folders are not: a Kubernetes volume has each of its files once as a link and
 * once below a hidden folder. */

#include "http/ca_folder.h"

#include "base/trust.h"

#include <errno.h>
#include <fts.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static void close_walk(FTS **walk)
{
	if (*walk)
		fts_close(*walk);
}

/* Whether the last read met the end of the file, and not a broken certificate. */
static bool is_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int read_certificates(BIO *from, const char *path, X509_STORE *to, size_t *count,
			     struct err *err)
{
	X509 *x;
	bool end;

	ERR_clear_error();
	/* The last argument is a password: without one OpenSSL would ask the user. */
	while ((x = PEM_read_bio_X509(from, NULL, NULL, (void *)""))) {
		int added = X509_STORE_add_cert(to, x);

		X509_free(x);
		if (!added)
			return err_set(err, ENOMEM, "no memory for certificates");
		++*count;
	}
	end = is_end();
	ERR_clear_error();
	return end ? 0 : err_set(err, EINVAL, "%s holds a certificate that is broken", path);
}

static int read_file(const char *path, X509_STORE *to, size_t *count, struct err *err)
{
	int fd = trust_open(path, err), r;
	BIO *from;

	if (fd < 0)
		return err_prefix(err, "cannot trust the certificates in %s", path), fd;
	from = BIO_new_fd(fd, BIO_CLOSE);
	if (!from) {
		close(fd);
		return err_set(err, ENOMEM, "no memory for certificates");
	}
	r = read_certificates(from, path, to, count, err);
	BIO_free(from);
	return r;
}

static bool is_file(const FTSENT *e)
{
	struct stat st;

	return e->fts_info == FTS_F ||
	       (e->fts_info == FTS_SL && stat(e->fts_accpath, &st) == 0 && S_ISREG(st.st_mode));
}

static int read_entry(const FTSENT *e, X509_STORE *to, size_t *count, struct err *err)
{
	if (e->fts_info == FTS_D)
		return trust_look(e->fts_path, err);
	if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS)
		return err_set(err, e->fts_errno, "cannot read %s: %s", e->fts_path,
			       strerror(e->fts_errno));
	return is_file(e) ? read_file(e->fts_path, to, count, err) : 0;
}

static int read_all(const char *path, X509_STORE *to, struct err *err)
{
	char *const paths[] = {(char *)path, NULL};
	_cleanup_(close_walk) FTS *walk =
		fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	size_t count = 0;
	FTSENT *e;
	int r = 0;

	if (!walk)
		return err_set(err, ENOMEM, "no memory for certificates");
	while (r == 0 && (errno = 0, e = fts_read(walk)))
		r = read_entry(e, to, &count, err);
	if (r == 0 && errno)
		return err_set(err, errno, "cannot read %s: %s", path, strerror(errno));
	if (r == 0 && !count)
		return err_set(err, EINVAL, "no certificate (PEM) is in %s", path);
	return r;
}

X509_STORE *ca_folder_read(const char *path, struct err *err)
{
	X509_STORE *store = X509_STORE_new();

	if (!store) {
		err_set(err, ENOMEM, "no memory for certificates");
		return NULL;
	}
	/* As libcurl does for its own store: a named certificate is an anchor even if another
	 * signed it. */
	X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	if (read_all(path, store, err) == 0)
		return store;
	X509_STORE_free(store);
	return NULL;
}
