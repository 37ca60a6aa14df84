/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SRV_H
#define HTTP_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds a name's service by DNS: SRV records of _http._tcp.NAME (RFC 2782). Thread-safe. */
struct srv;

#define SRV_NAME_MAX 256

struct srv_target {
	char host[SRV_NAME_MAX];
	unsigned port;
};

/* NULL: no memory. */
struct srv *srv_new(void);
void srv_free(struct srv *s);

/* The target of the best record, chosen by weight; false if there is none. An answer is cached for
 * some seconds. Waits for the network, until `deadline` (clock_mono()) at most. */
bool srv_find(struct srv *s, const char *name, uint64_t deadline, struct srv_target *out);

/* The best record of a DNS answer; `dice` chooses by weight among equals. For srv_find(). */
bool srv_read(const unsigned char *answer, size_t len, uint32_t dice, struct srv_target *out);

#endif
