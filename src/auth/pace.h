/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PACE_H
#define AUTH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_STILLBORN_MAX 4 /* in a row before there is a pause */

/* Limits how often we log in. All zero at first; the owner's lock guards it. Times are
 * clock_mono(). */
struct pace {
	uint64_t pause;	    /* ns, after the last failure */
	uint64_t after;	    /* no login before this */
	uint64_t had_at;    /* when we got the token; 0: it has proved itself */
	unsigned stillborn; /* tokens in a row that were refused from the start */
};

/* A login failed: the next is made after a pause that doubles, up to `most`. */
void pace_failed(struct pace *p, uint64_t now, uint64_t most);

/* A login succeeded. `few_uses`: the token is limited to a number of uses. */
void pace_had(struct pace *p, uint64_t now, bool few_uses);

/* The token is dead. False if so many in a row were refused from the start that another login is
 * useless now; then it counts as a failed login. */
bool pace_died(struct pace *p, uint64_t now, uint64_t most);

#endif
