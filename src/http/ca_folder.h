/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CA_FOLDER_H
#define HTTP_CA_FOLDER_H

#include "base/err.h"

#include <openssl/ssl.h>

/* Reads every certificate (PEM) in a file, or in a folder and the folders below it, as the official
 * client reads VAULT_CAPATH. Skips files without a certificate. Returns a store, to be freed by
 * X509_STORE_free(). NULL with a sentence if there is no certificate at all, if a file cannot be
 * read, or if others could change one (base/trust.h). */
X509_STORE *ca_folder_read(const char *path, struct err *err);

#endif
