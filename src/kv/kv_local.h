/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_LOCAL_H
#define KV_LOCAL_H

#include "conf/conf.h"
#include "kv/kv_engine.h"
#include "store/store_key.h"

struct local;

/* The embedded store as a key-value engine of version 2. Takes `store`, even if it returns NULL: no
 * memory. */
struct kv *kv_local_new(struct local *store);

/* An embedded store that a command works on: "local:FILE/PATH" with its options. */
struct embedded {
	char *file; /* absolute */
	char *path; /* in the store, "" for all of it */
	struct store_key key;
};

/* Parses the source and reads its key; does not open the store. embedded_fini() in any case. */
int embedded_take(struct embedded *e, const struct conf *c, const char *source, struct err *err);

/* Opens the store itself; `alone`: nobody else may have it open. */
int embedded_open_store(const struct embedded *e, const struct conf *c, bool create, bool alone,
			bool verify, struct local **out, struct err *err);

/* Opens the store as an engine. `create`: make it if it does not exist; `verify`: read all of it
 * first. */
int embedded_open(const struct embedded *e, const struct conf *c, bool create, bool verify,
		  struct kv_engine *out, struct err *err);

/* Opens the store for a mount. Makes it only if the source has no PATH: with
 * "local:/srv/not-mounted/store" the missing folder would become the file. */
int embedded_mount(const struct embedded *e, const struct conf *c, struct kv_engine *out,
		   struct err *err);

void embedded_fini(struct embedded *e);
#define _cleanup_embedded_ _cleanup_(embedded_fini)

#endif
