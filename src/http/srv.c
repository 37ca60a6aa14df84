// SPDX-License-Identifier: Apache-2.0
/* Looks up services. The official client asks DNS for each request; we cache an answer as long as a
 * name's address, so that a move of either is noticed at the same time. */

#include "http/srv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/lock.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KNOWN_TIME (5 * NS_PER_SEC)
#define ANSWER_MAX 4096

struct srv {
	struct lock lock; /* guards all below */
	char name[SRV_NAME_MAX];
	uint64_t until; /* clock_mono() */
	bool found;
	struct srv_target target;
};

struct srv *srv_new(void)
{
	struct srv *s = calloc(1, sizeof(*s));

	if (s)
		lock_init(&s->lock, LOCK_SRV);
	return s;
}

void srv_free(struct srv *s)
{
	if (!s)
		return;
	lock_fini(&s->lock);
	free(s);
}

struct record {
	unsigned priority, weight;
	struct srv_target target;
};

static bool read_record(const ns_msg *message, int i, struct record *out)
{
	const unsigned char *data;
	ns_rr rr;
	size_t len;

	if (ns_parserr((ns_msg *)message, ns_s_an, i, &rr) < 0 || ns_rr_type(rr) != ns_t_srv ||
	    ns_rr_rdlen(rr) < 7)
		return false;
	data = ns_rr_rdata(rr);
	out->priority = ns_get16(data);
	out->weight = ns_get16(data + 2);
	out->target.port = ns_get16(data + 4);
	if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + 6,
			       out->target.host, sizeof(out->target.host)) < 0)
		return false;
	len = strlen(out->target.host);
	if (len && out->target.host[len - 1] == '.')
		out->target.host[--len] = '\0';
	/* "." says that there is no such service. */
	return len && out->target.port;
}

bool srv_read(const unsigned char *answer, size_t len, uint32_t dice, struct srv_target *out)
{
	uint64_t sum = 0, at;
	unsigned best = 0;
	bool found = false;
	struct record r;
	ns_msg message;

	if (ns_initparse(answer, (int)len, &message) < 0)
		return false;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (!read_record(&message, i, &r) || (found && r.priority > best))
			continue;
		if (!found || r.priority < best)
			sum = 0;
		found = true;
		best = r.priority;
		sum += r.weight + 1;
	}
	at = sum ? dice % sum : 0;
	for (int i = 0; found && i < ns_msg_count(message, ns_s_an); i++) {
		if (!read_record(&message, i, &r) || r.priority != best)
			continue;
		if (at <= r.weight) {
			*out = r.target;
			return true;
		}
		at -= r.weight + 1;
	}
	return false;
}

static bool ask(const char *name, uint64_t deadline, struct srv_target *out)
{
	unsigned char answer[ANSWER_MAX];
	char full[SRV_NAME_MAX + 16];
	struct __res_state state = {0};
	uint64_t now = clock_mono();
	uint32_t dice = 0;
	int n;

	snprintf(full, sizeof(full), "_http._tcp.%s", name);
	if (now >= deadline || res_ninit(&state) < 0)
		return false;
	/* In total not much longer than there is time; the resolver counts in seconds. */
	state.retry = 1;
	state.retrans = (int)((deadline - now) / NS_PER_SEC / 2) + 1;
	if (state.retrans > 5)
		state.retrans = 5;
	n = res_nquery(&state, full, ns_c_in, ns_t_srv, answer, sizeof(answer));
	res_nclose(&state);
	if (n < 0 || getrandom(&dice, sizeof(dice), GRND_NONBLOCK) < 0)
		return false;
	return srv_read(answer, (size_t)n < sizeof(answer) ? (size_t)n : sizeof(answer), dice, out);
}

bool srv_find(struct srv *s, const char *name, uint64_t deadline, struct srv_target *out)
{
	struct srv_target target = {0};
	bool found;

	if (strlen(name) >= SRV_NAME_MAX)
		return false;
	lock_acquire(&s->lock);
	if (!strcmp(s->name, name) && clock_mono() < s->until) {
		found = s->found;
		*out = s->target;
		lock_release(&s->lock);
		return found;
	}
	lock_release(&s->lock);
	found = ask(name, deadline, &target);
	LOCK_SCOPE(&s->lock);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->until = clock_mono() + KNOWN_TIME;
	s->found = found;
	s->target = *out = target;
	return found;
}
