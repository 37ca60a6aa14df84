// SPDX-License-Identifier: Apache-2.0
/* Drafts: bytes in memory. A size that the server cannot take is refused here, at once. */

#include "edit/draft.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/metric.h"
#include "edit/value.h"
#include "host/process.h"

#include <errno.h>
#include <string.h>

#define UTF8_MAX 4 /* bytes of a character */

struct draft *draft_new(struct kv_version *base, const struct caller *caller, size_t max)
{
	struct draft *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	lock_init(&d->lock, LOCK_DRAFT);
	d->refs = 1;
	d->max = max;
	d->opener = process_of(caller->pid);
	d->uid = caller->uid;
	d->gid = caller->gid;
	d->cas = NO_CAS;
	d->touched = clock_wall();
	d->base = object_ref(base);
	metric_move(METRIC_DRAFTS, 1);
	return d;
}

void draft_put_locked(struct draft *d)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	if (!d || --d->refs)
		return;
	metric_move(METRIC_DRAFTS, -1);
	quota_move_of(d->quota, d->uid, d->text.len, 0);
	buf_fini(&d->text);
	object_put(d->base);
	object_put(d->seen);
	lock_fini(&d->lock);
	free(d);
}

/* Half a value is worse than none. */
static int too_large(struct draft *d)
{
	if (!d->patient)
		d->failed = EFBIG;
	return -EFBIG;
}

static int no_room(struct draft *d)
{
	if (d->patient)
		return -EFBIG;
	d->failed = ENOMEM;
	return -ENOMEM;
}

static int resize(struct draft *d, size_t size)
{
	size_t before = d->text.len;

	if (size > d->max)
		return too_large(d);
	if (!quota_move_of(d->quota, d->uid, before, size))
		return no_room(d);
	buf_resize(&d->text, size);
	if (buf_status(&d->text) < 0) {
		d->text.failed = false;
		quota_move_of(d->quota, d->uid, size, before);
		return -ENOMEM;
	}
	return 0;
}

/* Whether the server could take it: what is no text, or has to be escaped, is longer there. The end may
 * cut a character in two, of which the rest is in the next write: that is no reason yet to count all
 * of it as no text. The commit counts again. */
static int check_stored(struct draft *d)
{
	size_t len = d->text.len, whole;

	if (!d->is_value || len <= d->max / 6)
		return 0;
	whole = utf8_valid_len(d->text.data, len);
	if (len - whole < UTF8_MAX)
		len = whole;
	return value_stored_size(d->text.data, len) > d->max ? too_large(d) : 0;
}

static void changed(struct draft *d)
{
	d->dirty = true;
	d->emptied = false;
	d->touched = clock_wall();
}

int draft_write(struct draft *d, const char *bytes, size_t len, size_t offset, bool append)
{
	LOCK_SCOPE(&d->lock);
	int r = 0;

	if (d->failed)
		return -d->failed;
	/* The kernel computes the end of the file from a size that others may have changed. */
	if (append)
		offset = d->text.len;
	if (len > d->max || offset > d->max - len)
		return too_large(d);
	if (offset + len > d->text.len)
		r = resize(d, offset + len);
	if (r < 0)
		return r;
	if (len)
		memcpy(d->text.data + offset, bytes, len);
	changed(d);
	return check_stored(d);
}

int draft_truncate(struct draft *d, size_t size)
{
	LOCK_SCOPE(&d->lock);
	bool grows = size > d->text.len;
	int r;

	if (d->failed)
		return -d->failed;
	r = resize(d, size);
	if (r < 0)
		return r;
	changed(d);
	if (size == 0)
		d->replaces = true;
	return grows ? check_stored(d) : 0;
}

int draft_read(struct draft *d, size_t offset, size_t size, struct buf *out)
{
	LOCK_SCOPE(&d->lock);

	if (d->failed)
		return -d->failed;
	if (!d->replaces)
		d->depends = true;
	if (offset > d->text.len)
		offset = d->text.len;
	if (size > d->text.len - offset)
		size = d->text.len - offset;
	d->read_to = offset + size;
	buf_add(out, size ? d->text.data + offset : "", size);
	return buf_status(out);
}

bool draft_take(struct draft *d, bool also_emptied, struct buf *text)
{
	LOCK_SCOPE(&d->lock);

	if (d->failed || !(d->dirty || (also_emptied && d->emptied)))
		return false;
	buf_add(text, d->text.data ? d->text.data : "", d->text.len);
	d->dirty = false;
	d->emptied = false;
	d->taken = true;
	return true;
}

/* What was there is all that it holds. */
static bool is_unchanged(const struct draft *d)
{
	return !d->failed && !d->taken && !d->dirty && !d->emptied && !d->replaces;
}

bool draft_is_untouched_locked(const struct draft *d)
{
	LOCK_HELD(&d->lock);

	return is_unchanged(d) && !d->depends;
}

bool draft_is_read_again_locked(const struct draft *d, size_t offset)
{
	LOCK_HELD(&d->lock);

	return is_unchanged(d) && offset < d->read_to;
}

void draft_found(struct draft *d)
{
	LOCK_SCOPE(&d->lock);

	d->depends = false;
}

void draft_set_base_locked(struct draft *d, struct kv_version *base)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	object_put(d->base);
	d->base = object_ref(base);
}

void draft_settle(struct draft *d)
{
	LOCK_SCOPE(&d->lock);

	d->taken = d->replaces = d->depends = d->owes_removal = false;
	d->cas = NO_CAS;
}

void draft_fail(struct draft *d, int code)
{
	LOCK_SCOPE(&d->lock);

	d->failed = code;
	d->taken = false;
}

bool draft_is_dirty(struct draft *d)
{
	LOCK_SCOPE(&d->lock);

	return d->dirty && !d->failed;
}

int draft_failure(struct draft *d)
{
	LOCK_SCOPE(&d->lock);

	return d->failed;
}

size_t draft_size(struct draft *d)
{
	LOCK_SCOPE(&d->lock);

	return d->text.len;
}

int draft_charge(struct draft *d, struct quota *quota)
{
	LOCK_SCOPE(&d->lock);

	if (!quota_move_of(quota, d->uid, 0, d->text.len))
		return -ENOMEM;
	d->quota = quota;
	return 0;
}

void draft_take_text(struct draft *d, struct buf *text)
{
	LOCK_SCOPE(&d->lock);

	if (!quota_move_of(d->quota, d->uid, d->text.len, text->len)) {
		quota_move_of(d->quota, d->uid, d->text.len, 0);
		d->quota = NULL;
	}
	buf_fini(&d->text);
	d->text = *text;
	*text = (struct buf){0};
}

void draft_discharge(struct draft *d, bool empty)
{
	LOCK_SCOPE(&d->lock);

	quota_move_of(d->quota, d->uid, d->text.len, 0);
	d->quota = NULL;
	d->patient = false;
	if (empty)
		buf_fini(&d->text);
}
