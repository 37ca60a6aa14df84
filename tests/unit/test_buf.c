// SPDX-License-Identifier: Apache-2.0
/* Growing buffers: bytes of any kind, appended, formatted, resized; always ended by a NUL that is not
 * counted; new room is zero; and a failure is remembered until it is asked for. */

#include "unit_support.h"

#include "base/buf.h"
#include "base/secmem.h"

TestSuite(buf, .fini = support_fini, .timeout = 120);

Test(buf, nothing_was_added_is_no_failure)
{
	struct buf b = {0};

	cr_assert_null(b.data);
	cr_assert_eq(buf_status(&b), 0);
	buf_fini(&b);
}

Test(buf, bytes_are_appended_as_they_are, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add(&b, "a\0b", 3);
	buf_add_str(&b, "cd");
	buf_printf(&b, "%d-%s", 42, "x");
	buf_add(&b, "", 0);
	cr_assert_eq(buf_status(&b), 0);
	cr_assert_eq(b.len, 9);
	cr_assert_eq(memcmp(b.data, "a\0bcd42-x", 10), 0);
}

Test(buf, an_empty_addition_makes_an_empty_string, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add(&b, "", 0);
	cr_assert_eq(b.len, 0);
	cr_assert_str_eq(b.data, "");
}

Test(buf, growing_keeps_all_and_ends_it, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	for (size_t i = 0; i < 200000; i++) {
		char c = (char)(i * 31);

		buf_add(&b, &c, 1);
		cr_assert_eq(b.data[b.len], '\0');
	}
	cr_assert_eq(buf_status(&b), 0);
	cr_assert_eq(b.len, 200000);
	for (size_t i = 0; i < b.len; i++)
		cr_assert_eq(b.data[i], (char)(i * 31));
}

Test(buf, printf_is_not_bounded, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	buf_printf(&b, "%0*d", 5000, 7);
	cr_assert_eq(b.len, 5000);
	cr_assert_eq(strlen(b.data), 5000);
	cr_assert_eq(b.data[4999], '7');
}

Test(buf, reserving_adds_nothing, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};
	char *data;

	buf_reserve(&b, 1000);
	data = b.data;
	cr_assert_eq(b.len, 0);
	cr_assert_str_eq(b.data, "");
	for (size_t i = 0; i < 1000; i++)
		buf_add(&b, "x", 1);
	cr_assert_eq(b.data, data, "what was reserved was not enough");
}

Test(buf, resize_fills_with_zero_and_cuts, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add_str(&b, "abcdef");
	buf_resize(&b, 3);
	cr_assert_str_eq(b.data, "abc");
	buf_resize(&b, 300);
	cr_assert_eq(b.len, 300);
	cr_assert_eq(memcmp(b.data, "abc", 3), 0);
	for (size_t i = 3; i <= 300; i++)
		cr_assert_eq(b.data[i], 0, "byte %zu came back", i);
	buf_resize(&b, 0);
	cr_assert_eq(b.len, 0);
	cr_assert_str_eq(b.data, "");
}

Test(buf, an_impossible_addition_is_remembered_and_does_no_harm, .init = support_init)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add_str(&b, "abc");
	buf_add(&b, b.data, SIZE_MAX - 1);
	cr_assert_eq(buf_status(&b), -ENOMEM);
	buf_add_str(&b, "def");
	cr_assert_eq(buf_status(&b), -ENOMEM);
	cr_assert_eq(b.len, 3);
	cr_assert_str_eq(b.data, "abc");
}

Test(buf, an_impossible_reserve_is_remembered, .init = support_init)
{
	static const size_t rooms[] = {SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		_cleanup_buf_ struct buf b = {0};

		buf_reserve(&b, rooms[i]);
		cr_assert_eq(buf_status(&b), -ENOMEM, "%zu", rooms[i]);
	}
}

Test(buf, an_impossible_resize_is_remembered, .init = support_init)
{
	static const size_t sizes[] = {SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_buf_ struct buf b = {0};

		buf_add_str(&b, "abc");
		buf_resize(&b, sizes[i]);
		cr_assert_eq(buf_status(&b), -ENOMEM, "%zu", sizes[i]);
		cr_assert_eq(b.len, 3);
	}
}

Test(buf, fini_gives_all_back, .init = support_init)
{
	size_t before = secmem_used();
	struct buf b = {0};

	buf_resize(&b, 100000);
	cr_assert_geq(secmem_used(), before + 100000);
	buf_fini(&b);
	cr_assert_eq(secmem_used(), before);
	cr_assert_null(b.data);
	cr_assert_eq(b.len, 0);
	buf_add_str(&b, "again");
	cr_assert_str_eq(b.data, "again");
	buf_fini(&b);
}
