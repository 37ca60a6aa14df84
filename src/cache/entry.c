// SPDX-License-Identifier: Apache-2.0
/* One entry: how long its answer may be believed.
 *
 *      fetched          fresh                          fresh + max_stale
 *      |---- ttl -------|---- only while the server ---|---- never ----
 *         believed           does not answer
 *
 * A refusal removes the object at once. An outage leaves the object, or the refusal; retries are
 * spaced out and made in the background, so that readers do not wait for a dead server. A slow
 * retry counts as an outage until it ends. A request believes anything learnt after it was made,
 * good or bad, however short the ttl:
 * requests that waited for one fetch all get its answer. */

#include "cache/entry.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define BACKOFF_MIN NS_PER_SEC
#define BACKOFF_MAX (4 * NS_PER_SEC) /* the server has its breaker: this does not burden it */

/* After a retry falls due, readers do not wait for it for so long: one request makes it for all.
 * Later, nobody has checked for a while, and the server may well be back. */
#define OUTAGE_WATCHED (5 * NS_PER_SEC)

size_t entry_size(const struct entry *e)
{
	return sizeof(*e) + e->key_len + (e->object ? e->object->size : 0);
}

struct entry *entry_new(size_t kind, const char *path)
{
	size_t len = strlen(path);
	struct entry *e = calloc(1, sizeof(*e) + len + 2);

	if (!e)
		return NULL;
	e->key[0] = (char)kind;
	memcpy(e->key + 1, path, len + 1);
	e->key_len = len + 1;
	return e;
}

void entry_free(struct entry *e)
{
	object_put(e->object);
	free(e);
}

/* Whether the failure is an answer: the same request would fail again. */
static bool is_answer(const struct cache_config *config, int code)
{
	return !config->is_outage(code) && code != ENOMEM && code != EINTR && code != EKEYEXPIRED &&
	       code != EKEYREJECTED;
}

bool entry_serves(const struct entry *e, uint64_t now)
{
	return (e->object || e->refused) && now < e->serves;
}

enum entry_state entry_judge(const struct entry *e, const struct cache_config *config,
			     const struct ask *ask, uint64_t now)
{
	uint64_t asked = ask->asked;
	bool serves = entry_serves(e, now), old = e->object && e->fetched < ask->since;

	if (e->object && e->fetched >= ask->since && now < e->fresh)
		return ENTRY_GOOD;
	if (e->object && e->fetched >= asked)
		return ENTRY_GOOD;
	if (e->flight && e->slow && serves && !old)
		return e->object ? ENTRY_STALE : ENTRY_FAILED;
	if (!e->failed)
		return ENTRY_ASK;
	if (e->outage && serves && (now < e->retry + OUTAGE_WATCHED || e->failed >= asked))
		return e->object && !old ? ENTRY_STALE : ENTRY_FAILED;
	if (e->failed >= asked)
		return ENTRY_FAILED;
	if (!e->outage && is_answer(config, e->why.code) && now < e->failed + config->refusal_ttl)
		return ENTRY_FAILED;
	return ENTRY_ASK;
}

bool entry_retries(const struct entry *e, const struct cache_config *config, enum entry_state state,
		   uint64_t now)
{
	return (state == ENTRY_STALE || state == ENTRY_FAILED) && entry_serves(e, now) &&
	       !e->flight && e->outage && now >= e->retry;
}

void entry_believe(struct entry *e, const struct cache_config *config, uint64_t ttl)
{
	e->fetched = clock_mono();
	e->fresh = e->fetched + ttl;
	e->serves = e->fresh + config->max_stale;
	e->recalled = 0;
	e->failed = 0;
	e->backoff = 0;
	e->outage = e->refused = false;
}

void entry_fill(struct entry *e, const struct cache_config *config, struct cache_fetched *got,
		uint64_t generation)
{
	const struct cache_kind *kind = &config->kinds[entry_kind(e)];
	uint64_t now = clock_mono();
	bool recalled;

	/* Something was written or dropped since the fetch began: its answer may be older. */
	if (generation != e->generation) {
		object_put(got->object);
		return;
	}
	recalled = e->recalled != 0;
	entry_believe(e, config, got->ttl);
	/* The copy cannot overrule the server. */
	if (e->object && !recalled && kind->newer && !kind->newer(got->object, e->object)) {
		/* From a standby that lags behind. Our object is true, but not for long. */
		e->fresh = now + (got->ttl < NS_PER_SEC ? got->ttl : NS_PER_SEC);
		e->serves = e->fresh + config->max_stale;
		object_put(got->object);
		return;
	}
	object_put(e->object);
	e->object = got->object;
}

void entry_fail(struct entry *e, const struct cache_config *config, const struct err *why,
		uint64_t generation)
{
	uint64_t now = clock_mono();

	if (generation != e->generation)
		return;
	e->failed = now;
	e->outage = config->is_outage(why->code);
	if (e->outage) {
		e->backoff = e->backoff ? e->backoff * 2 : BACKOFF_MIN;
		if (e->backoff > BACKOFF_MAX)
			e->backoff = BACKOFF_MAX;
		e->retry = now + clock_jitter(e->backoff);
		if (e->refused && now < e->serves)
			return;
	} else if (why->code != ENOMEM && why->code != EINTR) {
		/* A refusal is no outage: drop the value at once. */
		object_put(e->object);
		e->object = NULL;
	}
	e->why = *why;
	e->refused = why->code == EACCES;
	if (e->refused)
		e->serves = now + config->refusal_ttl + config->max_stale;
}

void entry_recall(struct entry *e, const struct cache_config *config, struct cache_fetched *got,
		  uint64_t age, const struct err *why, uint64_t generation)
{
	uint64_t now = clock_mono(), life = got->ttl + config->max_stale;

	if (generation != e->generation || e->object || age >= life) {
		object_put(got->object);
	} else {
		/* The server may have said it before we started, or the machine did: use the oldest
		 * time. */
		e->object = got->object;
		e->fetched = e->fresh = 1;
		e->serves = now + (life - age);
		e->recalled = now;
		e->recalled_age = age;
		e->refused = false;
	}
	entry_fail(e, config, why, generation);
}

uint64_t entry_age(const struct entry *e, uint64_t now)
{
	if (e->recalled)
		return now - e->recalled + e->recalled_age;
	return now > e->fetched ? now - e->fetched : 0;
}
