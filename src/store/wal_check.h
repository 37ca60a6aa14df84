/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_WAL_CHECK_H
#define STORE_WAL_CHECK_H

#include "base/cancel.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether an SQLite write-ahead log, open in `fd`, is damaged such that SQLite would silently drop
 * a committed transaction. `page` is the size of the database's pages, for a log whose header
 * cannot be trusted. 0, or -errno if the log cannot be read. */
int wal_check(int fd, uint32_t page, bool *damaged);

/* Checks the log beside the database `path`. Call it before SQLite reads the file. If another
 * connection, of any process, has it open, nothing is checked: that one has done so, and its
 * present writes are incomplete. Besides: -ETIMEDOUT if another has the file to itself past the
 * limit, -EINTR. */
int wal_check_beside(const char *path, struct limit limit, bool *damaged);

#endif
