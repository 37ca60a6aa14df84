/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_RESTRAINT_H
#define HTTP_RESTRAINT_H

#include "base/cancel.h"
#include "base/lock.h"

#include <stdint.h>

/* The budget of failures: whatever the callers do, the server has to refuse only so many requests a
 * second, and what it does not refuse is not held up by that. Each uid has a share of it. */

#define RESTRAINT_GOOD	 4096
#define RESTRAINT_BAD	 1024
#define RESTRAINT_WAYS	 4 /* slots of a set */
#define RESTRAINT_HOLDS	 16
#define RESTRAINT_PURSES 32

/* Why a request waits. The unknown do not stand behind the suspect. */
enum restraint_class {
	RESTRAINT_UNKNOWN, /* nothing is known of its path and folder */
	RESTRAINT_SUSPECT, /* it or its folder has failed */
	RESTRAINT_CLASSES
};

/* What one uid has used of the budget. */
struct restraint_purse {
	uid_t uid;
	uint64_t owed;	  /* clock_mono() at which all its failures so far are paid for */
	uint64_t turned;  /* the same, of those that were good before */
	uint64_t turning; /* clock_mono() of the first of these in a row */
	unsigned flying;  /* let through on credit */
	unsigned waiting[RESTRAINT_CLASSES];
};

/* What is known of a path or folder. A slot is in the set that its key belongs to; a new key takes the
 * place of the oldest of them. */
struct restraint_slot {
	uint64_t key, at;
	int code; /* an errno; 0: it was good */
};

struct restraint {
	struct lock lock;  /* guards all below */
	uint64_t interval; /* ns that a failure costs */
	uint64_t owed;	   /* clock_mono() at which the failures of all are paid for */
	unsigned flying;   /* of all */
	struct restraint_purse purses[RESTRAINT_PURSES + 1]; /* the last: of those who have none */
	/* Two tables, so that no number of failures displaces what was good. A key is in one of them at
	 * most. */
	struct restraint_slot good[RESTRAINT_GOOD], bad[RESTRAINT_BAD];
	struct {
		uint64_t key, until;
	} holds[RESTRAINT_HOLDS];
};

/* A request's place in it: what it asks for, what that is in, and the engine of both. */
struct restraint_pass {
	uint64_t self, folder, engine;
	uid_t uid;    /* whose share it uses */
	size_t purse; /* while it flies or waits */
	enum restraint_class class;
	bool flying;
};

/* `rate` failures a second, and a second's worth at once. */
void restraint_init(struct restraint *r, unsigned rate);
void restraint_fini(struct restraint *r);

/* What a request does. A policy may grant one of them and refuse the others, so each has its own
 * standing. */
enum restraint_kind { RESTRAINT_READ, RESTRAINT_LIST, RESTRAINT_CHANGE };

/* `path`: of the API, "secret/data/app/db". */
struct restraint_pass restraint_pass(const char *path, enum restraint_kind kind);

/* Lets a request through that has no reason to fail, and others while the budget lasts. Beyond it, what
 * has failed lately gets the same -errno again, and of the others a few wait, until the deadline. 0;
 * -EAGAIN where it is not to be sent; -EINTR. Every 0 is followed by one call of those below. */
int restraint_enter(struct restraint *r, struct restraint_pass *pass, struct limit limit);

/* It went well. */
void restraint_good(struct restraint *r, struct restraint_pass *pass);

/* It failed. `code`: a positive errno where that is because of what it asked for, else 0. `hold`: for
 * so many ns the server wants to hear nothing of that engine; 0 where it did not say. */
void restraint_bad(struct restraint *r, struct restraint_pass *pass, int code, uint64_t hold);

/* It came to nothing. */
void restraint_spare(struct restraint *r, struct restraint_pass *pass);

#endif
