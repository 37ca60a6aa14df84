/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_LOCAL_H
#define KV_LOCAL_H

#include "conf/conf.h"
#include "kv/kv_engine.h"
#include "store/store_key.h"

struct local;

/* The embedded store as a key-value engine of version 2. Takes `store` over, also where there is no
 * memory: then NULL. */
struct kv *kv_local_new(struct local *store);

/* An embedded store as what a command works on: "local:FILE/PATH" with the options for it. */
struct embedded {
	char *file; /* absolute */
	char *path; /* in the store, "" for all of it */
	struct store_key key;
};

/* Parses the source, and reads its key; asks nobody yet. embedded_fini() in any case. */
int embedded_take(struct embedded *e, const struct conf *c, const char *source, struct err *err);

/* The store itself; `alone`: nobody else may have it. */
int embedded_open_store(const struct embedded *e, const struct conf *c, bool create, bool alone,
			bool verify, struct local **out, struct err *err);

/* The store as an engine; with `create` it is made where it is not there, with `verify` all of it is
 * read before. */
int embedded_open(const struct embedded *e, const struct conf *c, bool create, bool verify,
		  struct kv_engine *out, struct err *err);

/* The same for a mount: it is made where it is named alone. Of "local:/srv/not-mounted/store" it would be
 * the folder. */
int embedded_mount(const struct embedded *e, const struct conf *c, struct kv_engine *out,
		   struct err *err);

void embedded_fini(struct embedded *e);
#define _cleanup_embedded_ _cleanup_(embedded_fini)

#endif
