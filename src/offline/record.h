/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OFFLINE_RECORD_H
#define OFFLINE_RECORD_H

#include "base/buf.h"
#include "kv/kv_list.h"
#include "kv/kv_version.h"

/* The serialized form of an answer in the copy for offline use. */

/* Appends the bytes; a version that is not live has no fields. 0 or -ENOMEM. */
int record_put_version(const struct kv_version *v, struct buf *to);
int record_put_list(const struct kv_list *list, struct buf *to);

/* Parses the bytes; the caller puts the result. 0, -EBADMSG if they are invalid, -ENOMEM. */
int record_get_version(const char *bytes, size_t len, struct kv_version **out);
int record_get_list(const char *bytes, size_t len, struct kv_list **out);

/* A whole number; or bytes, preceded by their length. */
void record_put_number(uint64_t n, struct buf *to);
void record_put_bytes(const void *bytes, size_t len, struct buf *to);

struct record {
	const char *at, *end;
	bool bad; /* it ended too early */
};
uint64_t record_get_number(struct record *r);
/* Points into the record; NULL if it is bad. */
const char *record_get_bytes(struct record *r, size_t *len);

#endif
