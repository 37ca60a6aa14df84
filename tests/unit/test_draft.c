// SPDX-License-Identifier: Apache-2.0
/* A file that is being written: bytes land where they were written, holes are zero, O_APPEND is at the
 * end whatever the offset says, nothing grows past the bound, and what has failed stays failed. */

#include "unit_support.h"

#include "edit/draft.h"
#include "tree/tree.h"

#include "base/secmem.h"

#include <sys/syscall.h>

TestSuite(draft, .fini = support_fini, .timeout = 120);

#define MAX 100

static struct draft *new_draft(void)
{
	const struct caller caller = {.uid = 1234, .gid = 5, .pid = getpid()};
	_cleanup_object_ struct kv_version *base = kv_version_empty(KV_LIVE, 3);
	struct draft *d = draft_new(base, &caller, MAX);

	cr_assert_not_null(d);
	return d;
}

/* Of one field. */
static struct draft *new_value(void)
{
	struct draft *d = new_draft();

	d->is_value = true;
	return d;
}

static int put(struct draft *d, const char *s, size_t offset)
{
	return draft_write(d, s, strlen(s), offset, false);
}

static int append(struct draft *d, const char *s, size_t offset)
{
	return draft_write(d, s, strlen(s), offset, true);
}

static void assert_holds(struct draft *d, const char *bytes, size_t len)
{
	_cleanup_buf_ struct buf out = {0};

	cr_assert_eq(draft_read(d, 0, 1000, &out), 0);
	cr_assert_eq(out.len, len, "%zu bytes", out.len);
	cr_assert_eq(memcmp(out.data, bytes, len), 0, "%s", out.data);
	cr_assert_eq(draft_size(d), len);
}

/* Whatever is done to it: the same error, and nothing to commit. */
static void assert_failed_for_good(struct draft *d, int code)
{
	_cleanup_buf_ struct buf out = {0};

	d->emptied = true;
	cr_assert_eq(d->failed, code);
	cr_assert_eq(put(d, "x", 0), -code);
	cr_assert_eq(append(d, "x", 0), -code);
	cr_assert_eq(put(d, "x", MAX), -code);
	cr_assert_eq(draft_truncate(d, 0), -code);
	cr_assert_eq(draft_read(d, 0, 10, &out), -code);
	cr_assert_not(draft_take(d, true, &out));
	cr_assert_eq(out.len, 0);
}

Test(draft, a_new_one_is_empty_and_clean, .init = support_init)
{
	struct draft *d = new_draft();

	assert_holds(d, "", 0);
	cr_assert_eq(d->refs, 1);
	cr_assert_not(d->dirty);
	cr_assert_not(d->is_value);
	cr_assert_null(d->quota);
	cr_assert_eq(d->failed, 0);
	cr_assert_eq(d->uid, 1234);
	cr_assert_eq(d->opener, getpid());
	cr_assert_eq(d->cas, NO_CAS);
	cr_assert_eq(d->base->number, 3);
	support_draft_put(d);
}

static void *thread_draft(void *arg)
{
	const struct caller caller = {.pid = (pid_t)syscall(SYS_gettid)};

	return draft_new(arg, &caller, MAX);
}

Test(draft, its_opener_is_the_process_and_not_the_thread, .init = support_init)
{
	_cleanup_object_ struct kv_version *base = kv_version_empty(KV_LIVE, 1);
	pthread_t thread;
	void *d;

	cr_assert_eq(pthread_create(&thread, NULL, thread_draft, base), 0);
	cr_assert_eq(pthread_join(thread, &d), 0);
	cr_assert_eq(((struct draft *)d)->opener, getpid());
	support_draft_put(d);
}

Test(draft, bytes_land_where_they_are_written, .init = support_init)
{
	struct draft *d = new_draft();

	cr_assert_eq(put(d, "hello world", 0), 0);
	cr_assert(d->dirty);
	cr_assert_eq(put(d, "W", 6), 0);
	cr_assert_eq(put(d, "d!", 10), 0);
	cr_assert_eq(draft_write(d, "\0", 1, 5, false), 0);
	assert_holds(d, "hello\0World!", 12);
	support_draft_put(d);
}

Test(draft, a_hole_is_zero, .init = support_init)
{
	struct draft *d = new_draft();

	cr_assert_eq(put(d, "b", 5), 0);
	assert_holds(d, "\0\0\0\0\0b", 6);
	support_draft_put(d);
}

Test(draft, append_goes_to_the_end_whatever_the_offset, .init = support_init)
{
	struct draft *d = new_draft();

	cr_assert_eq(append(d, "one", 77), 0);
	cr_assert_eq(append(d, "two", 0), 0);
	cr_assert_eq(append(d, "three", 1000000), 0);
	assert_holds(d, "onetwothree", 11);
	support_draft_put(d);
}

/* Imitates two programs with a scratch file open, one of them with O_APPEND. */
Test(draft, each_write_says_for_itself_whether_it_appends, .init = support_init)
{
	struct draft *d = new_draft();

	cr_assert_eq(append(d, "one", 0), 0);
	cr_assert_eq(put(d, "O", 0), 0);
	cr_assert_eq(append(d, "two", 1), 0);
	assert_holds(d, "Onetwo", 6);
	support_draft_put(d);
}

Test(draft, truncate_cuts_and_grows, .init = support_init)
{
	struct draft *d = new_draft();

	put(d, "hello", 0);
	d->dirty = false;
	cr_assert_eq(draft_truncate(d, 2), 0);
	cr_assert(d->dirty);
	cr_assert_not(d->replaces, "something of the old content is left");
	assert_holds(d, "he", 2);
	cr_assert_eq(draft_truncate(d, 5), 0);
	assert_holds(d, "he\0\0\0", 5);
	support_draft_put(d);
}

Test(draft, truncate_to_nothing_replaces_all, .init = support_init)
{
	struct draft *d = new_draft();

	put(d, "hello", 0);
	cr_assert_eq(draft_truncate(d, 0), 0);
	cr_assert(d->replaces);
	assert_holds(d, "", 0);
	support_draft_put(d);
}

Test(draft, what_was_emptied_is_not_once_something_is_written, .init = support_init)
{
	struct draft *d = new_draft();

	d->emptied = true;
	cr_assert_eq(put(d, "x", 0), 0);
	cr_assert_not(d->emptied);
	d->emptied = true;
	cr_assert_eq(draft_truncate(d, 0), 0);
	cr_assert_not(d->emptied);
	support_draft_put(d);
}

Test(draft, a_change_is_dated, .init = support_init)
{
	struct draft *d = new_draft();
	int64_t before = clock_wall();

	d->touched = 0;
	put(d, "x", 0);
	cr_assert_geq(d->touched, before);
	d->touched = 0;
	draft_truncate(d, 0);
	cr_assert_geq(d->touched, before);
	support_draft_put(d);
}

Test(draft, it_grows_up_to_the_bound, .init = support_init)
{
	struct draft *d = new_draft();
	char bytes[MAX];

	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(draft_write(d, bytes, MAX, 0, false), 0);
	cr_assert_eq(draft_write(d, bytes, 1, MAX - 1, false), 0);
	cr_assert_eq(draft_truncate(d, 0), 0);
	cr_assert_eq(draft_truncate(d, MAX), 0);
	cr_assert_eq(draft_write(d, bytes, MAX, 0, false), 0);
	assert_holds(d, bytes, MAX);
	support_draft_put(d);
}

/* A program that does not look at what write(2) says must not commit the half that went well. */
Test(draft, a_write_beyond_the_bound_fails_it_for_good, .init = support_init)
{
	static const struct {
		size_t len, offset;
		bool append;
	} rows[] = {
		{MAX + 1, 0, false},	     {1, MAX, false},
		{2, MAX - 1, false},	     {1, SIZE_MAX, false},
		{1, (size_t)1 << 62, false}, {MAX - 4, 0, true},
	};
	char bytes[MAX + 1];

	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct draft *d = new_draft();

		put(d, "hello", 0);
		cr_assert_eq(draft_write(d, bytes, rows[i].len, rows[i].offset, rows[i].append),
			     -EFBIG, "%zu", i);
		cr_assert_eq(d->text.len, 5, "%zu", i);
		assert_failed_for_good(d, EFBIG);
		support_draft_put(d);
	}
}

Test(draft, a_truncate_beyond_the_bound_fails_it_for_good, .init = support_init)
{
	static const size_t sizes[] = {MAX + 1, SIZE_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct draft *d = new_draft();

		put(d, "hello", 0);
		cr_assert_eq(draft_truncate(d, sizes[i]), -EFBIG);
		assert_failed_for_good(d, EFBIG);
		support_draft_put(d);
	}
}

Test(draft, what_has_failed_stays_failed, .init = support_init)
{
	struct draft *d = new_draft();

	put(d, "hello", 0);
	draft_fail(d, EBUSY);
	assert_failed_for_good(d, EBUSY);
	cr_assert_eq(d->text.len, 5, "it may be asked for as a conflict");
	support_draft_put(d);
}

static void assert_reads(struct draft *d, size_t offset, size_t size, const char *expected)
{
	_cleanup_buf_ struct buf out = {0};

	cr_assert_eq(draft_read(d, offset, size, &out), 0);
	cr_assert_eq(out.len, strlen(expected), "at %zu", offset);
	cr_assert_eq(memcmp(out.data, expected, out.len), 0, "at %zu", offset);
}

Test(draft, reading_is_bounded_by_what_there_is, .init = support_init)
{
	struct draft *d = new_draft();

	put(d, "hello", 0);
	assert_reads(d, 0, 5, "hello");
	assert_reads(d, 1, 3, "ell");
	assert_reads(d, 3, 100, "lo");
	assert_reads(d, 5, 100, "");
	assert_reads(d, 6, 1, "");
	assert_reads(d, SIZE_MAX, SIZE_MAX, "");
	assert_reads(d, 2, SIZE_MAX, "llo");
	assert_reads(d, 0, 0, "");
	support_draft_put(d);
}

static void assert_taken(struct draft *d, bool also_emptied, const char *expected)
{
	_cleanup_buf_ struct buf text = {0};

	cr_assert_eq(draft_take(d, also_emptied, &text), expected != NULL);
	cr_assert_eq(text.len, expected ? strlen(expected) : 0);
	if (expected)
		cr_assert_str_eq(text.data, expected);
}

Test(draft, what_was_changed_is_taken_once, .init = support_init)
{
	struct draft *d = new_draft();

	assert_taken(d, true, NULL);
	put(d, "hello", 0);
	assert_taken(d, false, "hello");
	assert_taken(d, true, NULL);
	put(d, "J", 0);
	assert_taken(d, true, "Jello");
	draft_truncate(d, 0);
	assert_taken(d, false, "");
	assert_holds(d, "", 0);
	support_draft_put(d);
}

Test(draft, what_was_only_emptied_is_taken_where_that_is_asked_for, .init = support_init)
{
	struct draft *d = new_draft();

	d->emptied = true;
	assert_taken(d, false, NULL);
	assert_taken(d, true, "");
	assert_taken(d, true, NULL);
	support_draft_put(d);
}

Test(draft, what_is_taken_is_a_copy, .init = support_init)
{
	struct draft *d = new_draft();
	_cleanup_buf_ struct buf text = {0};

	put(d, "hello", 0);
	cr_assert(draft_take(d, false, &text));
	put(d, "J", 0);
	cr_assert(d->dirty);
	support_draft_put(d);
	cr_assert_str_eq(text.data, "hello");
}

Test(draft, it_goes_with_its_last_user, .init = support_init)
{
	size_t before = secmem_used();
	struct draft *d = new_draft();

	d->refs++;
	put(d, "hello", 0);
	support_draft_put(d);
	assert_holds(d, "hello", 5);
	support_draft_put(d);
	cr_assert_eq(secmem_used(), before);
}

Test(draft, it_lives_in_secret_memory_and_gives_all_back, .init = support_init)
{
	size_t before = secmem_used();
	struct draft *d = new_draft();
	size_t empty = secmem_used();

	put(d, "hello", 50);
	cr_assert_geq(secmem_used(), empty + 55);
	support_draft_put(d);
	support_draft_put(NULL);
	cr_assert_eq(secmem_used(), before);
}

Test(draft, without_memory_it_is_as_before, .init = support_init)
{
	const struct caller caller = {.pid = getpid()};
	struct quota q = {LOCK_INITIALIZER(LOCK_QUOTA), 0, SIZE_MAX, false, NULL};
	struct draft *d = draft_new(NULL, &caller, SIZE_MAX);

	d->quota = &q;
	d->patient = true;
	put(d, "hello", 0);
	cr_assert_eq(draft_truncate(d, SIZE_MAX / 2), -ENOMEM);
	cr_assert_eq(draft_write(d, "x", 1, SIZE_MAX / 2, false), -ENOMEM);
	cr_assert_eq(q.used, 5);
	assert_holds(d, "hello", 5);
	cr_assert_eq(put(d, "J", 0), 0);
	assert_taken(d, false, "Jello");
	support_draft_put(d);
}

/* Writes `n` times `s`: what comes of the last. */
static int put_many(struct draft *d, const char *s, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		r = append(d, s, 0);
	return r;
}

static void assert_takes(const char *s, size_t n)
{
	struct draft *d = new_value();

	cr_assert_eq(put_many(d, s, n), 0, "%s", s);
	cr_assert_eq(put_many(d, s, 1), -EFBIG, "%s", s);
	assert_failed_for_good(d, EFBIG);
	support_draft_put(d);
}

Test(draft, a_value_is_bounded_as_it_is_stored, .init = support_init)
{
	assert_takes("x", MAX);
	assert_takes("\"", MAX / 2);
	assert_takes("\\", MAX / 2);
	assert_takes("\n", MAX / 2);
	assert_takes("\x01", MAX / 6);
	assert_takes("x\x1f", MAX / 7);
	assert_takes("\xc3\xa9", MAX / 2);
	assert_takes("\xff\xff\xff", MAX / 4);
}

Test(draft, a_document_is_bounded_as_it_is_written, .init = support_init)
{
	struct draft *d = new_draft();

	cr_assert_eq(put_many(d, "\"", MAX), 0);
	cr_assert_eq(draft_truncate(d, 0), 0);
	cr_assert_eq(put_many(d, "\xff", MAX), 0);
	cr_assert_eq(d->failed, 0);
	support_draft_put(d);
}

Test(draft, zeros_of_a_value_are_stored_as_base64, .init = support_init)
{
	struct draft *d = new_value();

	cr_assert_eq(draft_truncate(d, MAX / 4 * 3), 0);
	cr_assert_eq(draft_truncate(d, MAX / 4 * 3 + 1), -EFBIG);
	assert_failed_for_good(d, EFBIG);
	support_draft_put(d);
}

/* A value that is too large already, since somebody else has written it. */
Test(draft, too_large_a_value_may_be_cut, .init = support_init)
{
	struct draft *d = new_value();

	for (size_t i = 0; i < MAX; i++)
		buf_add(&d->text, "\"", 1);
	cr_assert_eq(draft_truncate(d, MAX - 1), 0);
	cr_assert_eq(draft_truncate(d, MAX / 2), 0);
	cr_assert_eq(put(d, "x", 0), 0);
	cr_assert_eq(d->failed, 0);
	support_draft_put(d);
}

/* A program that writes in blocks may split a character. */
Test(draft, a_character_may_come_in_two_writes, .init = support_init)
{
	static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	for (size_t i = 0; i < ARRAY_SIZE(characters); i++) {
		size_t len = strlen(characters[i]);
		struct draft *d = new_value();

		for (size_t at = 0; at + len <= MAX; at += len)
			for (size_t k = 0; k < len; k++)
				cr_assert_eq(draft_write(d, &characters[i][k], 1, at + k, false), 0,
					     "%zu of %zu bytes at %zu", k, len, at);
		cr_assert_eq(draft_size(d), MAX / len * len);
		support_draft_put(d);
	}
}

Test(draft, bytes_that_are_no_part_of_a_character_are_not_waited_for, .init = support_init)
{
	struct draft *d = new_value();

	cr_assert_eq(put_many(d, "x", MAX / 4 * 3), 0);
	cr_assert_eq(append(d, "\xc3\xff\xff\xff", 0), -EFBIG);
	assert_failed_for_good(d, EFBIG);
	support_draft_put(d);
}
