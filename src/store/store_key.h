/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include "base/err.h"
#include "base/secret.h"
#include "store/crypt.h"

/* Where the keys of stores come from. vaultfs-local(1) says what each kind protects against. */

enum store_key_kind {
	STORE_KEY_MACHINE,    /* /etc/machine-id, and a salt beside the store */
	STORE_KEY_FILE,	      /* file:PATH */
	STORE_KEY_CREDENTIAL, /* systemd-creds[:NAME]: a file that systemd puts into
			       * $CREDENTIALS_DIRECTORY, by default "vaultfs.key" */
	STORE_KEY_PASSPHRASE, /* passphrase:FD: everything that a descriptor yields */
};

struct store_key {
	enum store_key_kind kind;
	struct secret *material;
};

/* `option` is the option's name, for sentences. A passphrase is read here, once, and its descriptor
 * closed. 0 or -errno; store_key_fini() in any case. */
int store_key_read(const char *option, const char *spec, struct store_key *key, struct err *err);
void store_key_fini(struct store_key *key);
#define _cleanup_store_key_ _cleanup_(store_key_fini)

/* The salts of a machine's store, 64 hexadecimal digits each, newest last. Normally one; two if a
 * change of key was interrupted. */
#define STORE_SALTS 2
struct store_salts {
	size_t count;
	struct secret *salts[STORE_SALTS];
};
void store_salts_fini(struct store_salts *s);
#define _cleanup_salts_ _cleanup_(store_salts_fini)

bool store_salts_exist(const char *store);

/* Reads "STORE.salt", which only its owner may read. `create`: make it if it does not exist, safely
 * against others that do so at the same time. 0 or -errno. */
int store_salts_read(const char *store, bool create, struct store_salts *s, struct err *err);

/* Add a new salt to `s` and write all of them; write only salt `i`; remove the file. */
int store_salts_add(const char *store, struct store_salts *s, struct err *err);
int store_salts_keep(const char *store, const struct store_salts *s, size_t i, struct err *err);
int store_salts_remove(const char *store, struct err *err);

/* Makes renames and links beside `file` survive a power cut. 0 or -errno. */
int store_sync_folder(const char *file);

/* How the keys of a store are derived from the material; part of its file. */
struct store_kdf {
	char salt[CRYPT_SALT];
	unsigned log_n, blocks; /* of scrypt, for a passphrase; else 0 */
};
int store_kdf_new(const struct store_key *key, struct store_kdf *kdf);

/* Three keys: for values, for names, and for the state of all rows. In secret memory. `salt`: for a
 * machine's key, else NULL. */
struct store_secrets {
	unsigned char seal[CRYPT_KEY], name[CRYPT_KEY], state[CRYPT_KEY];
};
int store_secrets_derive(const struct store_key *key, const struct secret *salt,
			 const struct store_kdf *kdf, struct store_secrets *out);

#endif
