/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_REMOTE_H
#define REMOTE_REMOTE_H

#include "auth/session.h"
#include "base/clock.h"
#include "cli/credentials.h"
#include "cli/flags.h"
#include "cli/network.h"
#include "kv/kv_local.h"
#include "kv/kv_engine.h"
#include "remote/place.h"
#include "secrets/secrets.h"

/* What a command has that asks the server: the options of a mount, a session, an engine. */
struct remote {
	const struct command *command;
	struct flags flags;
	bool local; /* what has failed is of this machine, and not the server's doing */
	bool configured;
	bool stays;   /* although command->brief: what the token's life is has to be known */
	bool reached; /* the server, by a login */
	struct conf conf;
	struct credentials creds;
	struct network network;
	struct timers *timers;
	struct pool *pool;
	struct session *session;
	struct embedded embedded; /* in place of these, for local:FILE */
	struct kv_engine engine;  /* of remote_find() */
	struct kv *kv;		  /* its */
	struct cancel *cancel;	  /* of all calls; NULL: only time ends them */
};

/* Runs a command: reads its arguments (`least` to `most` words), calls `act`, says what went wrong,
 * and takes down whatever was set up. `act` returns an exit status, having said what there is to say;
 * or -errno with `err` set. */
int remote_run(const struct command *c, int least, int most, int argc, char **argv,
	       int (*act)(struct remote *r, struct err *err));

/* The steps of setting up, each of which takes those before it: options and credentials; the server,
 * unasked; who we are; the engine of a path. 0 or -errno. */
int remote_options(struct remote *r, struct err *err);
int remote_configure(struct remote *r, struct err *err);
int remote_open(struct remote *r, struct err *err);
int remote_log_in(struct remote *r, struct err *err);
int remote_find_engine(struct remote *r, const char *path, struct err *err);

/* All of these steps but the last, those that are not taken yet; after a failure it may be tried again.
 * -EINVAL where the options have no server asked (env=only). */
int remote_reach(struct remote *r, struct err *err);

/* Finds and opens what a path is in: an engine of the server, which is logged in to, or a local store, of
 * which `e` is the caller's in any case. Who we are does not matter to a store. 0 or -errno. */
int remote_open_engine(struct remote *r, const char *full, struct embedded *e,
		       struct kv_engine *out, struct err *err);

/* All of them, for a word of the command line; `place` is to be freed in any case. */
int remote_find(struct remote *r, const char *word, struct place *place, struct err *err);

/* The latest version of the place, or (number) that one: 0 only where it is live. *out may be set for
 * others too, with a sentence that says what it is instead; the caller's. */
int remote_read(struct remote *r, const struct place *at, int64_t number, struct kv_version **out,
		struct err *err);

/* The same of a whole secret: a field of one is none of what the command takes. */
int remote_find_secret(struct remote *r, const char *word, struct place *place, struct err *err);
/* The same; "db/.vault/versions/3" of a mount is a version. */
int remote_find_version(struct remote *r, const char *word, struct place *place, struct err *err);

/* Makes one version of the place by the change, as a mount does: see secrets_change(). */
int remote_change(struct remote *r, const struct place *at, const struct secret_change *c,
		  struct secret_outcome *out, struct err *err);

/* The secrets of a store, under the options of the command. `label`: of the engine. */
struct secrets remote_secrets(const struct remote *r, struct kv *kv, const char *label);
/* The time for one change, which may take several requests. */
struct limit remote_change_limit(const struct remote *r);

/* The whole of a file, or ("-") of standard input, which has `max` bytes at most. */
int remote_read_file(struct remote *r, const char *file, size_t max, struct buf *to,
		     struct err *err);

/* Takes down what was set up; for one that remote_run() does not know of. */
void remote_close(struct remote *r);

/* Time for one call. */
struct limit remote_limit(const struct remote *r);

/* That a --format is not known, with those that are. `row`: of the command's flags. */
int remote_no_format(struct remote *r, int row, struct err *err);

/* What is wrong with the arguments, or on this machine; for a return. */
int remote_wrong(struct remote *r, struct err *err, const char *fmt, ...) _printf_(3, 4);

#endif
