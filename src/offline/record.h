/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OFFLINE_RECORD_H
#define OFFLINE_RECORD_H

#include "base/buf.h"
#include "kv/kv_list.h"
#include "kv/kv_version.h"

/* What the copy for offline use holds of one answer of the server, as bytes. */

/* Appended; of a version that is not live no field. 0 or -ENOMEM. */
int record_put_version(const struct kv_version *v, struct buf *to);
int record_put_list(const struct kv_list *list, struct buf *to);

/* The other way; a reference of the caller's. 0, -EBADMSG for other bytes, -ENOMEM. */
int record_get_version(const char *bytes, size_t len, struct kv_version **out);
int record_get_list(const char *bytes, size_t len, struct kv_list **out);

/* A whole number, and bytes with their length before them. */
void record_put_number(uint64_t n, struct buf *to);
void record_put_bytes(const void *bytes, size_t len, struct buf *to);

struct record {
	const char *at, *end;
	bool bad; /* there was less than was asked for */
};
uint64_t record_get_number(struct record *r);
/* Within the record; NULL where it is bad. */
const char *record_get_bytes(struct record *r, size_t *len);

#endif
