// SPDX-License-Identifier: Apache-2.0
/* Repeats a read whose answer is older than known data.
 *
 *      any that serves -> old? -> the leader, if that server names it -> old? -> with pauses, each server
 *
 * Nobody waits here for long: the cache goes on with its own data, which are newer. */

#include "vault/lag.h"

#include "base/clock.h"
#include "vault/leader.h"
#include "vault/reply.h"
#include "vault/servers.h"

#include <errno.h>

#define WAIT_TIME   NS_PER_SEC
#define FIRST_PAUSE (20 * NS_PER_MS)
#define LAST_PAUSE  (200 * NS_PER_MS)

struct again {
	struct vault *vault;
	const struct lag_read *read;
	struct limit limit;
	const char *at; /* the server to ask; NULL: any that serves */
	char *leader;	/* heap */
	bool certain;	/* `at` is the leader */
	size_t next;	/* index of the next address */
};

/* Asks the server that answered for the leader. Whether there is a leader to ask. */
static bool find_leader(struct again *a, const char *by)
{
	switch (leader_find(a->vault, by, a->limit, &a->leader)) {
	case LEADER_ITSELF:
		a->at = by;
		a->certain = true;
		break;
	case LEADER_ELSEWHERE:
		a->at = a->leader;
		a->certain = true;
		break;
	case LEADER_UNKNOWN:
		break;
	}
	return a->certain;
}

static void ask_next(struct again *a)
{
	const struct servers *s = vault_servers(a->vault);

	a->at = servers_address_at(s, a->next++ % servers_count(s));
	a->certain = false;
}

/* False if there is no time for another attempt. */
static bool wait_a_little(const struct again *a, uint64_t *pause, uint64_t until)
{
	uint64_t now = clock_mono();

	if (now + *pause >= until || cancel_sleep(a->limit.cancel, now + *pause))
		return false;
	*pause = *pause * 2 < LAST_PAUSE ? *pause * 2 : LAST_PAUSE;
	return true;
}

/* The answer from `by`, to a request sent at `begun`, is old: reads again. */
static int read_again(struct again *a, const char *by, uint64_t begun, struct err *err)
{
	uint64_t now = clock_mono(), pause = FIRST_PAUSE;
	uint64_t until = now + WAIT_TIME < a->limit.deadline ? now + WAIT_TIME : a->limit.deadline;
	bool at_once = find_leader(a, by) && a->at == a->leader;
	int r;

	if (a->certain && !at_once && !a->read->is_old(a->read->arg, begun, true))
		return 0;
	for (; at_once || wait_a_little(a, &pause, until); at_once = false) {
		if (!a->certain)
			ask_next(a);
		begun = clock_mono();
		r = a->read->ask(a->read->arg, a->at, a->limit, &by, err);
		if (r == 0 && !a->read->is_old(a->read->arg, begun, a->certain))
			return 0;
		if (r < 0 && !reply_is_outage(-r))
			return r;
		if (r < 0)
			a->certain = false; /* the leader cannot be reached */
	}
	if (cancel_sleep(a->limit.cancel, 0))
		return err_set(err, EINTR, "interrupted");
	return err_set(err, EIO, "the answer from %s is older than what is known: it lags behind",
		       by);
}

int lag_read(struct vault *v, const struct lag_read *read, struct limit limit, struct err *err)
{
	struct again a = {.vault = v, .read = read, .limit = limit};
	uint64_t begun = clock_mono();
	const char *by = NULL;
	int r = read->ask(read->arg, read->first, limit, &by, err);

	if (r < 0 && read->first && reply_is_outage(-r)) {
		begun = clock_mono();
		r = read->ask(read->arg, NULL, limit, &by, err);
	}
	if (r < 0 || !read->is_old(read->arg, begun, false))
		return r;
	r = read_again(&a, by, begun, err);
	free(a.leader);
	return r;
}
