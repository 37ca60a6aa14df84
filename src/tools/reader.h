/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_READER_H
#define TOOLS_READER_H

#include "remote/remote.h"

/* Secrets of one server, of any of its engines, for commands that want more than one. */
struct reader {
	struct remote *remote;
	struct reader_engine *engines;
	struct reader_secret *secrets;
};

/* An engine that was found, and what a path is in it. */
struct spot {
	struct kv *kv;
	const char *path; /* points into what was asked for */
};

/* Logs in. 0 or -errno; reader_fini() in any case. */
int reader_open(struct reader *d, struct remote *r, struct err *err);
void reader_fini(struct reader *d);
#define _cleanup_reader_ _cleanup_(reader_fini)

/* Where "secret/app/db" is. Engines are remembered. 0 or -errno. */
int reader_find(struct reader *d, const char *full, struct spot *out, struct err *err);

/* The latest version, which is remembered, and the reader's: 0 only where it is live. */
int reader_get(struct reader *d, const char *full, const struct kv_version **out, struct err *err);

/* The same asked for anew; *changed where it is not what was known. */
int reader_look(struct reader *d, const char *full, bool *changed, struct err *err);

#endif
