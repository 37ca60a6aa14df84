/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CA_FOLDER_H
#define HTTP_CA_FOLDER_H

#include "base/err.h"

#include <openssl/ssl.h>

/* Reads every certificate (PEM) in a folder and in the folders below it, or in one file, as the official
 * client reads VAULT_CAPATH. A file without a certificate is passed over. A store with them, to be freed
 * by X509_STORE_free(). NULL with a sentence where there is none at all, where a file cannot be read, or
 * where others could change one (base/trust.h). */
X509_STORE *ca_folder_read(const char *path, struct err *err);

#endif
