/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_ADMIN_SETUP_H
#define CMD_ADMIN_SETUP_H

#include "remote/remote.h"

/* The state of `vaultfs setup`. */
struct setup {
	struct remote *r;
	struct vault *vault; /* makes the calls: the network's, or `own` */
	struct vault *own;   /* in the namespace that we entered */
	char *namespace;     /* of the calls; NULL: none */
	const char *app;
	char *engine;
	bool whole; /* calls concern the whole server, outside of namespaces */
	bool dry;   /* print calls instead of making them */
	char *environments, *path, *role; /* of the current environment: "app/env", "app-env" */
};

void setup_fini(struct setup *x);

int setup_no_memory(struct err *err);

/* One request; *out may be NULL. 0 or -errno. */
int setup_call(struct setup *x, const char *method, const char *path, const cJSON *body,
	       const char *wrap_ttl, cJSON **out, struct err *err);

/* Prints a call, for a dry run. 0 or -ENOMEM. */
int setup_tell(const struct setup *x, const char *method, const char *path, const cJSON *body,
	       const char *note);

/* Makes a change, or prints it; -ENOMEM if `body` is NULL. */
int setup_change(struct setup *x, const char *method, const char *path, const cJSON *body,
		 const char *note, struct err *err);

/* {name: text}; NULL: no memory. */
cJSON *setup_object(const char *name, const char *text);

/* Makes the namespace, and those above it, if they do not exist; all further calls are made in it.
 * NULL: do nothing. */
int setup_namespace(struct setup *x, const char *name, struct err *err);

/* Makes the server, as a whole, write an audit log to `file`, with the headers that mounts send. */
int setup_audit(struct setup *x, const char *file, struct err *err);

#endif
