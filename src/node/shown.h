/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SHOWN_H
#define NODE_SHOWN_H

#include "base/wait.h"
#include "kv/kv_version.h"

/* Which version of a secret the kernel and the open handles are shown, and when it may be another. A
 * value in its directory, guarded by the tree's lock. It reads no clock: `now` is clock_mono(). */

struct notice;
struct shown;

/* How a version has become known. */
enum shown_origin {
	SHOWN_SEEN,    /* somebody asked, and has the new names before they can be told of */
	SHOWN_WATCHED, /* nobody asked */
	SHOWN_FOREIGN, /* seen while changing the secret, and not the change itself */
	SHOWN_LOCAL,   /* our own change: the kernel tells of what it did for that by itself */
};

enum shown_phase {
	SHOWN_STEADY,
	SHOWN_DRAINING, /* a newer version waits for the handles that are open */
	SHOWN_SETTLING, /* the newer version is out, the kernel's pages are being dropped */
};

/* What it asks and tells. */
struct shown_ops {
	/* Until when somebody may be reading, in shown.version, what is another in `v`; 0: nobody. */
	uint64_t (*disturbs)(const struct shown *s, const struct kv_version *v, uint64_t now);
	/* `v` is shown from now on; `first`: and nothing was before. */
	void (*proceeds)(struct shown *s, const struct kv_version *v, bool first);
	/* What the kernel and others are to be told of `v`, or (NULL) of nothing being shown. Returns
	 * NULL where nothing is to be told, or there is no memory. `always`: an empty notice too, since
	 * somebody waits for its end. Sets or clears shown.unannounced. */
	struct notice *(*announce)(struct shown *s, const struct kv_version *v,
				   enum shown_origin origin, bool always);
	/* Sends that notice. Its end, which may come at once, is shown_settled(). */
	void (*send)(struct shown *s, struct notice *n);
	/* shown_expired() is to be called at `at`. */
	void (*wake_at)(struct shown *s, uint64_t at);
	/* Handles or the phase have changed. */
	void (*moved)(struct shown *s);
};

struct shown {
	const struct shown_ops *ops;
	enum shown_phase phase;
	bool told;	/* anything at all */
	int64_t number; /* of the version that was told, with its state and time */
	int64_t created;
	enum kv_state state;
	int64_t mtime; /* ns since 1970: grows with each version, whatever the server's clock does */
	struct kv_version *version; /* that very version, while handles are open; else NULL */
	unsigned handles;	    /* open for reading, on any of its fields */
	struct kv_version *next;    /* while DRAINING */
	enum shown_origin next_origin;
	uint64_t drained_by; /* when the draining ends, whoever still reads */
	bool unannounced;    /* others were not told of what is shown: it may be our own */
	unsigned notices;    /* that are under way */
	struct waitq opens;  /* parked until it is STEADY */
	int refused;	     /* errno: the server takes the values back */
};

void shown_init(struct shown *s, const struct shown_ops *ops);
void shown_fini(struct shown *s);

/* Whether that version, in that state, is the one that was told. */
bool shown_is(const struct shown *s, const struct kv_version *v);

/* `v` is the latest version as far as anybody knows. It is shown at once, or when those who read what it
 * changes have closed their handles or had their time. */
void shown_offer(struct shown *s, struct kv_version *v, enum shown_origin origin, uint64_t now);

/* Nothing is shown any more, since the server refuses the secret (`code`, an errno; 0: it is only to be
 * asked for anew, and who has it open goes on reading it). */
void shown_withdraw(struct shown *s, int code);

/* A change of ours has ended. `v`, which may be NULL, is the version that is known: what others were not
 * told of it, since it might have been ours, is told now. */
void shown_changed(struct shown *s, struct kv_version *v);

/* A handle was opened for reading from `v`; was closed; so many handles went to another secret. */
void shown_opened(struct shown *s, struct kv_version *v);
void shown_closed(struct shown *s, uint64_t now);
void shown_moved(struct shown *from, struct shown *to, unsigned handles);

/* The time asked for by `wake_at` has come, or that of a draining before. */
void shown_expired(struct shown *s, uint64_t now);

/* A notice of something else in the directory is sent; `pages`: opens wait for its end. */
void shown_noticed(struct shown *s, bool pages);

/* The kernel's pages are put right, as one notice had it. Who is returned goes to waitq_wake(), without
 * the lock. */
struct waitq shown_settled(struct shown *s);

/* 0 while it is STEADY, else PARKED as waitq_park_locked() has it. */
int shown_wait_steady(struct shown *s, const struct ask *ask);

#endif
