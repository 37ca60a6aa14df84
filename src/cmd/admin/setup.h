/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_ADMIN_SETUP_H
#define CMD_ADMIN_SETUP_H

#include "remote/remote.h"

/* What `vaultfs setup` has on its way. */
struct setup {
	struct remote *r;
	struct vault *vault; /* where calls go: the server's, or `own` */
	struct vault *own;   /* in the namespace that was made */
	char *namespace;     /* of the calls; NULL: none */
	const char *app;
	char *engine;
	bool whole;			  /* calls are of the server as a whole, in no namespace */
	bool dry;			  /* calls are printed, and not made */
	char *environments, *path, *role; /* of the environment at hand: "app/env", "app-env" */
};

void setup_fini(struct setup *x);

int setup_no_memory(struct err *err);

/* One request; *out may be NULL. 0 or -errno. */
int setup_call(struct setup *x, const char *method, const char *path, const cJSON *body,
	       const char *wrap_ttl, cJSON **out, struct err *err);

/* What a dry run prints in the place of a call. 0 or -ENOMEM. */
int setup_tell(const struct setup *x, const char *method, const char *path, const cJSON *body,
	       const char *note);

/* Makes a change, or prints it; no memory where `body` is NULL. */
int setup_change(struct setup *x, const char *method, const char *path, const cJSON *body,
		 const char *note, struct err *err);

/* {name: text}; NULL: no memory. */
cJSON *setup_object(const char *name, const char *text);

/* Makes the namespace, with those above it, where it is not there, and has all calls made in it from now
 * on. NULL: none is wanted. */
int setup_namespace(struct setup *x, const char *name, struct err *err);

/* Has the server write `file`, with the headers that mounts send. Of the server as a whole. */
int setup_audit(struct setup *x, const char *file, struct err *err);

#endif
