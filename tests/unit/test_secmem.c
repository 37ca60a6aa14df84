// SPDX-License-Identifier: Apache-2.0
/* Secret memory: blocks of every size around the arena's limit are usable, aligned and accounted for;
 * realloc keeps bytes; what is freed is wiped; OpenSSL finds room for its keys; dumps leave it out, it is
 * locked, and children do not inherit it. The last four hold in a build without sanitizers alone, where blocks are not malloc's. */

#include "unit_support.h"

#include "base/secmem.h"

#include <openssl/bn.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(secmem, .fini = support_fini, .timeout = 120);

static const size_t sizes[] = {0,
			       1,
			       16,
			       31,
			       32,
			       4096,
			       SECMEM_SMALL - 17,
			       SECMEM_SMALL - 16,
			       SECMEM_SMALL - 1,
			       SECMEM_SMALL,
			       SECMEM_SMALL + 1,
			       1u << 20,
			       3u << 20};

static void fill(char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + seed);
}

static bool is_filled(const char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (char)(i * 7 + seed))
			return false;
	return true;
}

Test(secmem, blocks_of_any_size_are_usable_and_aligned, .init = support_init)
{
	char *blocks[ARRAY_SIZE(sizes)];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		blocks[i] = secmem_alloc(sizes[i]);
		cr_assert_not_null(blocks[i], "%zu bytes", sizes[i]);
		cr_assert_eq((uintptr_t)blocks[i] % _Alignof(max_align_t), 0, "%zu", sizes[i]);
		fill(blocks[i], sizes[i], (unsigned)i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		cr_assert(is_filled(blocks[i], sizes[i], (unsigned)i), "%zu", sizes[i]);
		secmem_free(blocks[i]);
	}
}

Test(secmem, what_is_used_is_counted_to_the_byte, .init = support_init)
{
	size_t before = secmem_used();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p = secmem_alloc(sizes[i]);

		cr_assert_eq(secmem_used(), before + sizes[i]);
		p = secmem_realloc(p, sizes[i] + 100);
		cr_assert_eq(secmem_used(), before + sizes[i] + 100);
		secmem_free(p);
		cr_assert_eq(secmem_used(), before);
	}
}

Test(secmem, realloc_keeps_the_bytes, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			char *p = secmem_alloc(sizes[i]);

			fill(p, sizes[i], 3);
			p = secmem_realloc(p, sizes[j]);
			cr_assert_not_null(p);
			cr_assert(is_filled(p, sizes[i] < sizes[j] ? sizes[i] : sizes[j], 3),
				  "%zu to %zu", sizes[i], sizes[j]);
			secmem_free(p);
		}
	}
}

Test(secmem, realloc_of_nothing_allocates, .init = support_init)
{
	char *p = secmem_realloc(NULL, 10);

	cr_assert_not_null(p);
	fill(p, 10, 1);
	secmem_free(p);
	secmem_free(NULL);
}

Test(secmem, what_cannot_be_had_is_null, .init = support_init)
{
	size_t before = secmem_used();
	char *p = secmem_alloc(8);

	fill(p, 8, 5);
	cr_assert_null(secmem_alloc(SIZE_MAX));
	cr_assert_null(secmem_alloc(SIZE_MAX - 8));
	cr_assert_null(secmem_alloc(SIZE_MAX / 2));
	cr_assert_null(secmem_realloc(p, SIZE_MAX / 2));
	cr_assert(is_filled(p, 8, 5), "a failed realloc touched the block");
	secmem_free(p);
	cr_assert_eq(secmem_used(), before);
}

Test(secmem, more_than_the_arena_holds_is_still_to_be_had, .init = support_init)
{
	char *blocks[100];

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		blocks[i] = secmem_alloc(SECMEM_SMALL);
		cr_assert_not_null(blocks[i]);
		fill(blocks[i], SECMEM_SMALL, (unsigned)i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		cr_assert(is_filled(blocks[i], SECMEM_SMALL, (unsigned)i));
		secmem_free(blocks[i]);
	}
}

Test(secmem, serves_before_it_is_set_up)
{
	char *p = secmem_alloc(100);

	cr_assert_not_null(p);
	fill(p, 100, 1);
	secmem_free(p);
}

static void *churn(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	bool *good = calloc(1, sizeof(*good));

	*good = true;
	for (unsigned i = 0; i < 2000; i++) {
		size_t n = (size_t)rand_r(&seed) % 5000;
		char *p = secmem_alloc(n);

		fill(p, n, i);
		p = secmem_realloc(p, n * 2);
		*good = *good && is_filled(p, n, i);
		secmem_free(p);
	}
	return good;
}

Test(secmem, threads_do_not_get_in_each_others_way, .init = support_init)
{
	size_t before = secmem_used();
	pthread_t threads[4];
	unsigned seeds[4] = {1, 2, 3, 4};

	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		bool *good;

		pthread_join(threads[i], (void **)&good);
		cr_assert(*good);
		free(good);
	}
	cr_assert_eq(secmem_used(), before);
}

Test(secmem, the_wiping_allocator_is_malloc_to_its_callers)
{
	char *p = wipe_realloc(NULL, 10), *cleared = wipe_calloc(7, 11),
	     *copy = wipe_strdup("hello");

	memcpy(p, "0123456789", 10);
	p = wipe_realloc(p, 100000);
	cr_assert_eq(memcmp(p, "0123456789", 10), 0);
	p = wipe_realloc(p, 5);
	cr_assert_eq(memcmp(p, "01234", 5), 0);
	for (size_t i = 0; i < 77; i++)
		cr_assert_eq(cleared[i], 0);
	cr_assert_str_eq(copy, "hello");
	wipe_free(p);
	wipe_free(cleared);
	wipe_free(copy);
	wipe_free(NULL);
}

#if !UNDER_SANITIZER

Test(secmem, the_wiping_allocator_wipes)
{
	char *p = wipe_malloc(1000), *fence = wipe_malloc(16);
	size_t left = 0;

	memset(p, 's', 1000);
	wipe_free(p);
	/* Still mapped, since the fence is behind it; the first bytes may be malloc's list. */
	for (size_t i = 32; i < 1000; i++)
		left += ((volatile char *)p)[i] == 's';
	cr_assert_eq(left, 0);
	wipe_free(fence);
}

Test(secmem, what_is_freed_is_wiped, .init = support_init)
{
	char *p = secmem_alloc(1000);
	size_t left = 0;

	fill(p, 1000, 9);
	secmem_free(p);
	/* The arena is still mapped; the first bytes may be its list of free blocks. */
	for (size_t i = 32; i < 1000; i++)
		left += ((volatile char *)p)[i] != 0;
	cr_assert_eq(left, 0);
}

Test(secmem, what_moves_is_wiped_where_it_was, .init = support_init)
{
	char *p = secmem_alloc(1000), *to;
	size_t left = 0;

	fill(p, 1000, 9);
	to = secmem_realloc(p, 5000);
	cr_assert_neq(to, p);
	for (size_t i = 32; i < 1000; i++)
		left += ((volatile char *)p)[i] != 0;
	cr_assert_eq(left, 0);
	secmem_free(to);
}

/* OpenSSL's own use of its heap: the state of its random numbers, the numbers of a private key. */
static bool openssl_works(void)
{
	unsigned char bytes[64];
	BIGNUM *n = BN_secure_new();
	bool good = n && BN_set_bit(n, 4095) == 1 && RAND_bytes(bytes, sizeof(bytes)) == 1 &&
		    RAND_priv_bytes(bytes, sizeof(bytes)) == 1;

	BN_clear_free(n);
	return good;
}

static void fill_arena(size_t size)
{
	char *last = NULL;

	/* Each block holds the address of the one before it. */
	for (size_t i = 0; i < (2u << 20) / (size + 1); i++) {
		char *p = secmem_alloc(size);

		cr_assert_not_null(p, "block %zu of %zu bytes", i, size);
		memcpy(p, &last, sizeof(last));
		last = p;
	}
	cr_assert(openssl_works(), "blocks of %zu bytes", size);
	while (last) {
		char *p = last;

		memcpy(&last, p, sizeof(last));
		secmem_free(p);
	}
}

Test(secmem, openssl_has_room_for_its_keys_when_ours_is_full, .init = support_init)
{
	static const size_t all[] = {16, 40, 100, 500, 600, 1008, 1500, 4000, 4096, 9000, 60000};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		fill_arena(all[i]);
	secmem_lock(NULL); /* from now on the small ones are elsewhere */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		fill_arena(all[i]);
}

static long pages_faulted(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* A parser of JSON takes and frees one small block for each value. */
Test(secmem, blocks_that_come_and_go_map_no_memory_anew, .init = support_init)
{
	static const size_t all[] = {10, 60, 200};
	long before;

	secmem_lock(NULL);
	before = pages_faulted();
	for (size_t i = 0; i < 20000; i++) {
		char *p[ARRAY_SIZE(all)];

		for (size_t j = 0; j < ARRAY_SIZE(all); j++) {
			p[j] = secmem_alloc(all[j]);
			fill(p[j], all[j], (unsigned)j);
		}
		for (size_t j = 0; j < ARRAY_SIZE(all); j++)
			secmem_free(p[j]);
	}
	cr_assert_lt(pages_faulted() - before, 2000);
}

static size_t mapped_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%zu", &pages), 1);
	fclose(f);
	return pages * (size_t)getpagesize();
}

Test(secmem, what_many_small_blocks_took_is_given_back, .init = support_init)
{
	size_t before;

	secmem_lock(NULL);
	before = mapped_bytes();
	for (size_t size = 16; size < 480; size += 48)
		fill_arena(size);
	cr_assert_leq(mapped_bytes(), before + (1u << 20));
}

/* Whether the mapping that holds `p` has a flag of proc(5)'s VmFlags. */
static bool has_flag(const void *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	char line[512];
	bool here = false, found = false;

	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		if (here && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

static bool child_can_read(const volatile char *p)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(p[0] != 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status);
}

Test(secmem, dumps_leave_it_out, .init = support_init)
{
	char *small = secmem_alloc(100), *large = secmem_alloc(1 << 20);

	cr_assert(has_flag(small, " dd"));
	cr_assert(has_flag(large, " dd"));
	secmem_free(small);
	secmem_free(large);
}

Test(secmem, it_is_locked_and_kept_from_children, .init = support_init)
{
	char *small, *large;

	if (secmem_lock(NULL) < 0) {
		cr_assert(secmem_unlocked(), "what could not be locked was not told");
		cr_skip("memory cannot be locked here");
	}
	small = secmem_alloc(100);
	large = secmem_alloc(SECMEM_SMALL + 1);
	small[0] = large[0] = 'x';
	cr_assert_not(secmem_unlocked());
	cr_assert(has_flag(small, " lo"));
	cr_assert(has_flag(large, " lo"));
	cr_assert_not(child_can_read(small));
	cr_assert_not(child_can_read(large));
	secmem_free(small);
	secmem_free(large);
}

#endif
