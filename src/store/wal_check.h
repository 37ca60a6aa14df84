/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_WAL_CHECK_H
#define STORE_WAL_CHECK_H

#include "base/cancel.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether an SQLite write-ahead log, open in `fd`, was damaged so that a transaction which had been
 * committed would be dropped without a word. `page` is the size of the database's pages; it is used
 * where the log's own header cannot be trusted. 0, or -errno where the log cannot be read. */
int wal_check(int fd, uint32_t page, bool *damaged);

/* The same of the log beside the database `path`. Called before SQLite reads the file. Where another
 * connection, of any process, has it open, nothing is looked at: that one has begun with this, and what
 * it writes meanwhile is half there. Besides: -ETIMEDOUT where another keeps the file for itself past
 * the limit, -EINTR. */
int wal_check_beside(const char *path, struct limit limit, bool *damaged);

#endif
