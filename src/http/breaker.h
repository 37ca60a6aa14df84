/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BREAKER_H
#define HTTP_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a server that does not serve is asked again. All zero to begin with; guarded by whoever
 * holds it. Times are clock_mono(). */
struct breaker {
	unsigned row;	  /* failures since the last success */
	uint64_t since;	  /* of the first of them */
	uint64_t look_at; /* open: when to look whether it is well; 0: closed */
	uint64_t backoff;
	bool hoped;   /* it seems to be well: one request may find out */
	bool probing; /* that one is under way */
};

enum breaker_says {
	BREAKER_GO,    /* closed */
	BREAKER_PROBE, /* half open, and this request finds out; it must tell how it went */
	BREAKER_WAIT,  /* one that finds out is under way */
	BREAKER_STOP,  /* open */
};
enum breaker_says breaker_ask(struct breaker *b);

/* What breaker_ask() would say, without taking the probe. */
enum breaker_says breaker_state(const struct breaker *b);

/* It serves. True where it was open. */
bool breaker_good(struct breaker *b);

/* It failed. `probe`: whoever was told so by breaker_ask(). `at_once`: do not wait for more of it.
 * `pause`: for so long the server wants to be left alone; 0 where it did not say. True where the
 * breaker opens by this. */
bool breaker_bad(struct breaker *b, uint64_t now, bool probe, bool at_once, uint64_t pause);

/* The probe came to nothing: the next may be made at once. */
void breaker_spare(struct breaker *b);

/* Somebody has looked, and it is not well; or it is, as far as one can see. */
void breaker_worse(struct breaker *b, uint64_t now);
void breaker_hope(struct breaker *b);

/* When to look; 0: nobody need. */
uint64_t breaker_look(const struct breaker *b);

#endif
