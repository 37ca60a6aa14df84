// SPDX-License-Identifier: Apache-2.0
/* The server of the cache's tests, and the requests that are made of it. */

#include "cache_source.h"

#include "base/timer.h"
#include "vault/reply.h"

struct number {
	struct object object;
	struct source *source;
	unsigned number;
};

static void number_free(struct object *o)
{
	struct number *n = container_of(o, struct number, object);

	__atomic_sub_fetch(&n->source->alive, 1, __ATOMIC_SEQ_CST);
	free(n);
}

struct object *source_object(struct source *s, unsigned number)
{
	struct number *n = malloc(sizeof(*n));

	if (!n)
		abort();
	n->object = (struct object){.refs = 1, .size = s->object_bytes, .free = number_free};
	n->source = s;
	n->number = number;
	__atomic_add_fetch(&s->alive, 1, __ATOMIC_SEQ_CST);
	return &n->object;
}

unsigned number_of(const struct object *o)
{
	return ((const struct number *)o)->number;
}

static int fetch(void *source, const char *path, struct limit limit, struct cache_fetched *out,
		 struct err *err)
{
	struct source *s = source;
	unsigned n = (unsigned)__atomic_add_fetch(&s->calls, 1, __ATOMIC_SEQ_CST);

	tally_add(&s->entered);
	if (__atomic_load_n(&s->held, __ATOMIC_SEQ_CST))
		tally_reaches(&s->released, 1);
	if (s->fails)
		return err_set(err, s->fails, "the source says no");
	*out = (struct cache_fetched){.object = source_object(s, s->next ? s->next : n),
				      .ttl = s->ttl};
	return 0;
}

static bool newer(const struct object *now, const struct object *then)
{
	return !((const struct number *)now)->source->compares || number_of(now) >= number_of(then);
}

static const struct cache_kind kinds[] = {{"data", fetch, newer}, {"other", fetch, NULL}};

struct cache *source_cache(struct source *s)
{
	struct err err = {0};
	struct cache_config config = {.kinds = kinds,
				      .kind_count = ARRAY_SIZE(kinds),
				      .source = s,
				      .bytes = CACHE_BYTES,
				      .ahead = SOURCE_AHEAD,
				      .timeout = s->timeout ? s->timeout : 10 * NS_PER_SEC,
				      .refusal_ttl = REFUSAL_TTL,
				      .max_stale = s->max_stale,
				      .is_outage = reply_is_outage};

	if (s->patient)
		config.timers = s->timers = timers_new(&err);
	s->entered = s->released = (struct tally)TALLY_INIT;
	config.pool = s->pool = pool_new(4, &err);
	cr_assert_not_null(s->pool, "%s", err_text(&err));
	s->cache = cache_new(&config, &err);
	cr_assert_not_null(s->cache, "%s", err_text(&err));
	return s->cache;
}

void source_release(struct source *s)
{
	__atomic_store_n(&s->held, false, __ATOMIC_SEQ_CST);
	tally_add(&s->released);
}

void source_end(struct source *s, struct cache *c)
{
	pool_free(s->pool);
	timers_free(s->timers);
	cache_free(c);
	cr_assert_eq(s->alive, 0, "%d objects are left", s->alive);
}

struct ask ask_now(struct waiter *waiter)
{
	uint64_t now = clock_mono();

	return (struct ask){.asked = now, .deadline = now + 60 * NS_PER_SEC, .waiter = waiter};
}

static struct got get_kind(struct cache *c, size_t kind, const char *path, const struct ask *ask)
{
	struct object *o = NULL;
	struct got got = {0};

	got.r = cache_get(c, kind, path, ask, &o, &got.note, &got.err);
	if (o)
		got.number = number_of(o);
	object_put(o);
	return got;
}

struct got get(struct cache *c, const char *path, const struct ask *ask)
{
	return get_kind(c, DATA, path, ask);
}

static struct got wait_kind_since(struct cache *c, size_t kind, const char *path, uint64_t since)
{
	struct parked p;
	struct ask ask;
	struct got got;
	int rounds = 0;

	parked_init(&p);
	ask = ask_now(&p.waiter);
	ask.since = since;
	for (;;) {
		got = get_kind(c, kind, path, &ask);
		if (got.r != PARKED || !tally_reaches(&p.ready, ++rounds))
			return got;
	}
}

struct got wait_for_kind(struct cache *c, size_t kind, const char *path)
{
	return wait_kind_since(c, kind, path, 0);
}

struct got wait_for(struct cache *c, const char *path)
{
	return wait_kind_since(c, DATA, path, 0);
}

struct got wait_since(struct cache *c, const char *path, uint64_t since)
{
	return wait_kind_since(c, DATA, path, since);
}

unsigned peek(struct cache *c, const char *path)
{
	struct object *o = cache_peek(c, DATA, path);
	unsigned number = o ? number_of(o) : 0;

	object_put(o);
	return number;
}
