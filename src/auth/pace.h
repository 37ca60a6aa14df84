/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PACE_H
#define AUTH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_STILLBORN_MAX 4 /* in a row, before there is a pause */

/* How often logins are made. All zero to begin with; guarded by whoever holds it. Times are
 * clock_mono(). */
struct pace {
	uint64_t pause;	    /* ns, after the last that came to nothing */
	uint64_t after;	    /* not before this */
	uint64_t had_at;    /* when the token was had; 0: it has proved itself */
	unsigned stillborn; /* tokens in a row that were dead as soon as they were had */
};

/* A login failed: the next is made after a pause that doubles, up to `most`. */
void pace_failed(struct pace *p, uint64_t now, uint64_t most);

/* A login went well. `few_uses`: the token ends by being used. */
void pace_had(struct pace *p, uint64_t now, bool few_uses);

/* The token is dead. False where so many of them in a row were as soon as they were had that there is
 * no use in another now; then it is as if a login had failed. */
bool pace_died(struct pace *p, uint64_t now, uint64_t most);

#endif
