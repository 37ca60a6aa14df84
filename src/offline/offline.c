// SPDX-License-Identifier: Apache-2.0
/* The copy: a table of sealed rows, and a thread that writes them.
 *
 *      the cache says --> pending --(a moment, to gather a transaction)-----------> taken --> file
 *                            |    `-(the identity changes)------------> past --> taken
 *                            |                                           |        |         |
 *                            `--------------- asked first, in this order +--------+---------'
 *
 * Readers never wait for the disk: an answer that comes while too much is pending is not kept, and
 * the copy has an earlier one. But a refusal that takes a value back is never lost: if it cannot be
 * remembered by itself, everything is dropped.
 *
 * Each row has the time of its answer, so that ages are true after a restart. */

#include "offline/offline.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/secmem.h"
#include "offline/copy.h"
#include "offline/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define GATHER_TIME    (20 * NS_PER_MS)
#define RETRY_TIME     (5 * NS_PER_SEC)
#define WRITE_TIME     (30 * NS_PER_SEC)
#define TELL_TIME      (60 * NS_PER_SEC)
#define PENDING_MAX    1024
#define PENDING_BYTES  (4u << 20)
#define TAKEN_BACK_MAX 65536
#define TEXT_KIND      255 /* of offline_put_text() */

/* An answer of the server that is not in the file yet. */
struct said {
	UT_hash_handle hh;
	struct object *object; /* NULL: `code` */
	int code;
	int64_t at; /* clock_wall() */
	size_t key_len;
	char key[]; /* the kind as a byte, then the path */
};

/* Rows to be written for one identity, past or present. */
struct batch {
	struct batch *next;
	char *who;
	struct said *said;
	bool forget; /* first drop all of this identity's rows */
};

struct offline {
	struct offline_config config;
	struct copy copy;
	uint64_t told; /* when the writer last logged a failure */
	pthread_t writer;
	struct lock lock; /* guards all below */
	struct cond work;
	char *who; /* NULL: no identity, and nothing is kept */
	struct said *pending;
	size_t bytes; /* of the objects in `pending` */
	bool forget, stop;
	struct batch *past;  /* of earlier identities, oldest first: write in this order */
	struct batch *taken; /* the writer has it */
};

static void free_all(struct said **table)
{
	struct said *s, *next;

	HASH_ITER (hh, *table, s, next) {
		HASH_DEL(*table, s);
		object_put(s->object);
		free(s);
	}
}

static void batch_free(struct batch *b)
{
	if (b) {
		free_all(&b->said);
		free(b->who);
	}
	free(b);
}

static size_t weight(const struct said *s)
{
	return s->object ? s->object->size : 0;
}

static struct said *said_new(size_t kind, const char *path)
{
	size_t len = strlen(path);
	struct said *s = calloc(1, sizeof(*s) + len + 2);

	if (!s)
		return NULL;
	s->key[0] = (char)kind;
	memcpy(s->key + 1, path, len + 1);
	s->key_len = len + 1;
	return s;
}

static struct said *find(struct said *table, const char *key, size_t len)
{
	struct said *s;

	HASH_FIND(hh, table, key, len, s);
	return s;
}

static void drop_locked(struct offline *o, struct said *s)
{
	LOCK_HELD(&o->lock);

	HASH_DEL(o->pending, s);
	o->bytes -= weight(s);
	object_put(s->object);
	free(s);
}

static void forget_locked(struct offline *o)
{
	LOCK_HELD(&o->lock);

	free_all(&o->pending);
	o->bytes = 0;
	o->forget = true;
	cond_signal(&o->work);
}

static bool has_room_locked(const struct offline *o, const struct object *object)
{
	LOCK_HELD(&o->lock);
	size_t count = HASH_COUNT(o->pending);

	if (!object)
		return count < TAKEN_BACK_MAX;
	return count < PENDING_MAX && o->bytes + object->size <= PENDING_BYTES;
}

void offline_keep(struct offline *o, size_t kind, const char *path, struct object *object, int code)
{
	LOCK_SCOPE(&o->lock);
	struct said *s, *before;

	if (!o->who)
		return;
	s = said_new(kind, path);
	before = s ? find(o->pending, s->key, s->key_len) : NULL;
	if (before)
		drop_locked(o, before);
	if (!s || !has_room_locked(o, object)) {
		free(s);
		/* The file's row is merely older, unless it must be removed. */
		if (!object || before)
			forget_locked(o);
		return;
	}
	s->object = object_ref(object);
	s->code = code;
	s->at = clock_wall();
	HASH_ADD(hh, o->pending, key, s->key_len, s);
	o->bytes += weight(s);
	cond_signal(&o->work);
}

void offline_forget(struct offline *o)
{
	LOCK_SCOPE(&o->lock);

	forget_locked(o);
}

/* Takes everything pending, with its identity. NULL: no memory, and it stays. */
static struct batch *gather_locked(struct offline *o)
{
	LOCK_HELD(&o->lock);
	struct batch *b = calloc(1, sizeof(*b));
	char *who = strdup(o->who);

	if (!b || !who) {
		free(b);
		free(who);
		return NULL;
	}
	*b = (struct batch){.who = who, .said = steal(o->pending), .forget = o->forget};
	o->bytes = 0;
	o->forget = false;
	return b;
}

int offline_set_who(struct offline *o, const char *who)
{
	char *copy = who ? strdup(who) : NULL;
	struct batch *b = NULL;
	LOCK_SCOPE(&o->lock);

	if (who && o->who && !strcmp(who, o->who)) {
		free(copy);
		return 0;
	}
	if (o->who && (o->pending || o->forget))
		b = gather_locked(o);
	if (b)
		LL_APPEND(o->past, b);
	/* Without memory it is dropped: it must not pass for an answer to another identity. */
	free_all(&o->pending);
	o->bytes = 0;
	o->forget = false;
	free(o->who);
	o->who = copy;
	cond_signal(&o->work);
	return who && !copy ? -ENOMEM : 0;
}

/* Prints the row's text: the time, the errno, and the object. */
static int print(const struct offline *o, const struct said *s, struct buf *to)
{
	record_put_number((uint64_t)s->at, to);
	record_put_number((uint64_t)(s->object ? 0 : s->code), to);
	if (buf_status(to) < 0 || !s->object)
		return buf_status(to);
	return o->config.put((unsigned char)s->key[0], s->object, to);
}

static int write_row(struct offline *o, struct sealed_tx *tx, const char *who, const struct said *s,
		     struct err *err)
{
	struct copy_key key = {who, s->key, s->key_len};
	_cleanup_buf_ struct buf text = {0};
	int r;

	if (!s->object && s->code != EACCES)
		return copy_remove(&o->copy, tx, &key, err);
	r = print(o, s, &text);
	if (r < 0)
		return err_set(err, -r, "no memory for the copy");
	return copy_put(&o->copy, tx, &key, &text,
			!s->object || o->config.is_way((unsigned char)s->key[0]) ? COPY_WAY
										 : COPY_VALUE,
			err);
}

/* Writes a batch in one transaction. */
static int write_taken(struct offline *o, const struct batch *b, struct err *err)
{
	struct limit limit = {.deadline = clock_mono() + WRITE_TIME};
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	struct said *s, *next;
	int r = copy_begin(&o->copy, limit, &tx, err);

	if (r == 0 && b->forget)
		r = copy_forget(&o->copy, tx, b->who, err);
	HASH_ITER (hh, b->said, s, next)
		if (r == 0)
			r = write_row(o, tx, b->who, s, err);
	return r == 0 ? copy_end(&o->copy, tx, err) : r;
}

static void tell(struct offline *o, const struct err *err)
{
	uint64_t now = clock_mono();

	if (o->told && now < o->told + TELL_TIME)
		return;
	o->told = now;
	log_warning("the copy for offline use was not written", F_STR("file", o->config.path),
		    F_ERR(err));
}

/* After a failed write: removals must still be written, before any later answer. */
static void give_back_locked(struct offline *o)
{
	LOCK_HELD(&o->lock);
	struct batch *b = steal(o->taken);
	struct said *s, *next;

	HASH_ITER (hh, b->said, s, next)
		if (s->object) {
			HASH_DEL(b->said, s);
			object_put(s->object);
			free(s);
		}
	LL_PREPEND(o->past, b);
}

static void sleep_locked(struct offline *o, uint64_t time)
{
	LOCK_HELD(&o->lock);
	uint64_t until = clock_mono() + time;

	while (!o->stop && cond_wait_until(&o->work, &o->lock, until))
		;
}

static bool has_work_locked(const struct offline *o)
{
	LOCK_HELD(&o->lock);

	return o->past || (o->who && (o->pending || o->forget));
}

static void take_locked(struct offline *o)
{
	LOCK_HELD(&o->lock);

	o->taken = o->past;
	if (o->past)
		LL_DELETE(o->past, o->taken);
	else if (has_work_locked(o))
		o->taken = gather_locked(o);
}

static void *write_on(void *arg)
{
	struct offline *o = arg;

	lock_acquire(&o->lock);
	for (;;) {
		struct err err = {0};
		int r;

		while (!o->stop && !has_work_locked(o))
			cond_wait(&o->work, &o->lock);
		if (!has_work_locked(o))
			break;
		sleep_locked(o, GATHER_TIME);
		take_locked(o);
		lock_release(&o->lock);
		r = o->taken ? write_taken(o, o->taken, &err)
			     : err_set(&err, ENOMEM, "no memory for the copy");
		secmem_clear_registers();
		lock_acquire(&o->lock);
		if (r < 0) {
			tell(o, &err);
			if (o->taken)
				give_back_locked(o);
			if (o->stop)
				break;
			sleep_locked(o, RETRY_TIME);
		}
		batch_free(steal(o->taken));
	}
	lock_release(&o->lock);
	return NULL;
}

/* Parses the row's text. */
static int understand(const struct offline *o, size_t kind, const struct buf *text,
		      struct object **out, int64_t *at)
{
	struct record r = {.at = text->data, .end = text->data + text->len};
	uint64_t code;

	*at = (int64_t)record_get_number(&r);
	code = record_get_number(&r);
	if (r.bad)
		return -EBADMSG;
	if (code)
		return -EACCES;
	return o->config.get(kind, r.at, (size_t)(r.end - r.at), out);
}

/* A batch's answer for the key: *s, or *gone if the batch drops all our rows. */
static void look_in(const struct offline *o, const struct batch *b, const struct said *key,
		    const struct said **s, bool *gone)
{
	const struct said *found;

	if (!b || strcmp(b->who, o->who) != 0)
		return;
	found = find(b->said, key->key, key->key_len);
	if (found || b->forget) {
		*s = found;
		*gone = !found;
	}
}

/* 0 or -errno for offline_recall(); 1: ask the file. */
static int recall_pending(struct offline *o, const struct said *key, char **who,
			  struct object **out, int64_t *at)
{
	LOCK_SCOPE(&o->lock);
	const struct said *s = NULL, *newest;
	const struct batch *b;
	bool gone = false;

	if (!o->who)
		return -ENOENT;
	look_in(o, o->taken, key, &s, &gone);
	LL_FOREACH(o->past, b)
	look_in(o, b, key, &s, &gone);
	newest = find(o->pending, key->key, key->key_len);
	if (newest || o->forget) {
		s = newest;
		gone = !newest;
	}
	if (s) {
		*out = object_ref(s->object);
		*at = s->at;
		return s->object ? 0 : s->code == EACCES ? -EACCES : -ENOENT;
	}
	if (gone)
		return -ENOENT;
	*who = strdup(o->who);
	return *who ? 1 : -ENOMEM;
}

static uint64_t age_of(int64_t at)
{
	int64_t now = clock_wall();

	return now > at ? (uint64_t)(now - at) : 0;
}

int offline_recall(struct offline *o, size_t kind, const char *path, struct limit limit,
		   struct object **out, uint64_t *age)
{
	_cleanup_free_ struct said *key = said_new(kind, path);
	_cleanup_free_ char *who = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};
	int64_t at = 0;
	int r;

	if (!key)
		return -ENOMEM;
	r = recall_pending(o, key, &who, out, &at);
	if (r == 1) {
		r = copy_read(&o->copy, &(struct copy_key){who, key->key, key->key_len}, limit,
			      &text, &err);
		if (r == 0)
			r = understand(o, kind, &text, out, &at);
		if (r < 0 && r != -ENOENT && r != -EACCES)
			log_warning("the copy for offline use was not read",
				    F_STR("file", o->config.path), F_STR("path", path),
				    F_ERR(&err));
	}
	*age = age_of(at);
	return r;
}

int offline_put_text(struct offline *o, const char *who, const char *name, const char *text,
		     struct limit limit)
{
	_cleanup_free_ struct said *said = said_new(TEXT_KIND, name);
	_cleanup_tx_ struct sealed_tx *tx = NULL;
	_cleanup_buf_ struct buf b = {0};
	struct copy_key key = {.who = who};
	struct err err = {0};
	int r;

	buf_add_str(&b, text);
	if (!said || buf_status(&b) < 0)
		return -ENOMEM;
	key.bytes = said->key;
	key.len = said->key_len;
	r = copy_begin(&o->copy, limit, &tx, &err);
	if (r == 0)
		r = copy_put(&o->copy, tx, &key, &b, COPY_TEXT, &err);
	return r == 0 ? copy_end(&o->copy, tx, &err) : r;
}

int offline_get_text(struct offline *o, const char *who, const char *name, struct limit limit,
		     char **out)
{
	_cleanup_free_ struct said *said = said_new(TEXT_KIND, name);
	_cleanup_buf_ struct buf text = {0};
	struct copy_key key = {.who = who};
	struct err err = {0};
	int r;

	if (!said)
		return -ENOMEM;
	key.bytes = said->key;
	key.len = said->key_len;
	r = copy_read(&o->copy, &key, limit, &text, &err);
	if (r < 0)
		return r;
	*out = strdup(text.data ? text.data : "");
	return *out ? 0 : -ENOMEM;
}

int offline_open(const struct offline_config *config, struct offline **out, struct err *err)
{
	struct offline *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_set(err, ENOMEM, "no memory");
	o->config = *config;
	lock_init(&o->lock, LOCK_OFFLINE);
	cond_init(&o->work);
	o->copy = (struct copy){.path = config->path, .max = config->bytes};
	r = copy_open(&o->copy, config->key, config->limit, err);
	if (r == 0) {
		r = -pthread_create(&o->writer, NULL, write_on, o);
		if (r == 0) {
			*out = o;
			return 0;
		}
		err_set(err, -r, "cannot start a thread: %s", strerror(-r));
	}
	copy_close(&o->copy);
	free(o);
	return r;
}

void offline_close(struct offline *o)
{
	struct batch *b, *next;

	if (!o)
		return;
	lock_acquire(&o->lock);
	o->stop = true;
	cond_signal(&o->work);
	lock_release(&o->lock);
	pthread_join(o->writer, NULL);
	free_all(&o->pending);
	LL_FOREACH_SAFE(o->past, b, next)
	batch_free(b);
	copy_close(&o->copy);
	cond_fini(&o->work);
	lock_fini(&o->lock);
	free(o->who);
	free(o);
}
