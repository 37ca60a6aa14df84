/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_READER_H
#define REMOTE_READER_H

#include "remote/remote.h"

struct layers;

/* Secrets of any engine of the server and of local stores, for commands that read; with the layers that
 * a mount of SOURCE has, where they are taken. */
struct reader {
	struct remote *remote;
	struct layers *layers; /* NULL: there are none */
	char *root;	       /* SOURCE, which they belong to */
	struct reader_engine *engines;
	struct reader_secret *secrets;
};

/* An engine that was found, and what a path is in it. */
struct spot {
	struct kv *kv;
	const char *path;  /* points into what was asked for */
	const char *label; /* of the engine, "secret", for sections of the configuration */
};

/* Reads the options. The server is asked when something of it is wanted. 0 or -errno; reader_fini() in
 * any case. */
int reader_open(struct reader *d, struct remote *r, struct err *err);
void reader_fini(struct reader *d);
#define _cleanup_reader_ _cleanup_(reader_fini)

/* Takes the layers, and with them the variables of the process, as layers_new() does. 0 or -errno. */
int reader_take_layers(struct reader *d, struct err *err);

/* Whether no server is asked for the path: env=only, as USE_VAULT=no sets it. A local store is read all
 * the same, as by a mount of one. */
bool reader_asks_nobody(const struct reader *d, const char *full);

/* Where "secret/app/db" is. Engines are remembered. 0 or -errno. */
int reader_find(struct reader *d, const char *full, struct spot *out, struct err *err);

/* The latest version under the layers, which is remembered, and the reader's: 0 only where it is live, or
 * where the layers stand in for it. */
int reader_get(struct reader *d, const char *full, const struct kv_version **out, struct err *err);

/* One field, as a mount would have it. What it points to is the reader's, its name the caller's. */
int reader_field(struct reader *d, const char *full, const char *name, struct kv_field *out,
		 struct err *err);

/* Asks for the secret again; *changed where it is not what was known. `field`: all that is wanted of it;
 * NULL: the whole. */
int reader_look(struct reader *d, const char *full, const char *field, bool *changed,
		struct err *err);

#endif
