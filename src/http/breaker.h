/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BREAKER_H
#define HTTP_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a server that does not serve is asked again. All zero to begin with; guarded by whoever
 * holds it. Times are clock_mono(). */
struct breaker {
	unsigned row;	/* failures since the last success */
	uint64_t since; /* of the first of them */
	uint64_t retry; /* open: no probe before this; 0: closed */
	uint64_t backoff;
	bool probing; /* one is under way */
};

enum breaker_says {
	BREAKER_GO,    /* closed */
	BREAKER_PROBE, /* open, and this one may find out; it must tell how it went */
	BREAKER_STOP,  /* open */
};
enum breaker_says breaker_ask(struct breaker *b, uint64_t now);

/* It serves. True where it was open. */
bool breaker_good(struct breaker *b);

/* It failed. `probe`: whoever was told so by breaker_ask(). `at_once`: do not wait for more of it.
 * `pause`: for so long the server wants to be left alone; 0 where it did not say. True where the
 * breaker opens by this. */
bool breaker_bad(struct breaker *b, uint64_t now, bool probe, bool at_once, uint64_t pause);

/* The probe came to nothing: the next may be made at once. */
void breaker_spare(struct breaker *b);

/* Another sign says that it is well again: the next probe is due. */
void breaker_hope(struct breaker *b, uint64_t now);

#endif
