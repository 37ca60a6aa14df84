/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BREAKER_H
#define HTTP_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* Decides whether a failing server is asked again. All zero at first; the owner's lock guards it.
 * Times are clock_mono(). */
struct breaker {
	unsigned row;	  /* failures since the last success */
	uint64_t since;	  /* when the first of them happened */
	uint64_t look_at; /* open: when to check whether the server is well; 0: closed */
	uint64_t backoff;
	bool hoped;   /* it seems well: one request may probe it */
	bool probing; /* the probe is under way */
};

enum breaker_says {
	BREAKER_GO,    /* closed */
	BREAKER_PROBE, /* half open: this request is the probe, and must report its outcome */
	BREAKER_WAIT,  /* a probe is under way */
	BREAKER_STOP,  /* open */
};
enum breaker_says breaker_ask(struct breaker *b);

/* The answer that breaker_ask() would give, without taking the probe. */
enum breaker_says breaker_state(const struct breaker *b);

/* The server answered. True if the breaker was open. */
bool breaker_good(struct breaker *b);

/* The server failed. `probe`: breaker_ask() returned BREAKER_PROBE to this request. `at_once`: open
 * without waiting for more failures. `pause`: how long the server wants to be left alone; 0: it did
 * not say. True if this opens the breaker. */
bool breaker_bad(struct breaker *b, uint64_t now, bool probe, bool at_once, uint64_t pause);

/* The probe had no result: the next one may be made at once. */
void breaker_spare(struct breaker *b);

/* The result of a check while it is open: still unwell, or well as far as one can see. */
void breaker_worse(struct breaker *b, uint64_t now);
void breaker_hope(struct breaker *b);

/* When to check the server; 0: no need. */
uint64_t breaker_look(const struct breaker *b);

#endif
