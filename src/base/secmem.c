// SPDX-License-Identifier: Apache-2.0
/* Secret memory: OpenSSL's secure heap for small blocks, mappings of our own for large ones.
 *
 * The heap is a buddy allocator in one mapping that is locked and left out of dumps. It splits and
 * joins blocks at every call, which costs a microsecond when it is nearly empty. A JSON tree has a
 * hundred blocks of the smallest sizes, so freed ones are wiped and kept, in one list for each
 * size.
 *
 * A megabyte of value could waste another megabyte in the heap, so large blocks get pages of their
 * own. Once the process has settled, small blocks share slabs of pages; empty slabs are unmapped,
 * but for a few. A tree of a hundred thousand nodes would otherwise fill the heap, which gives
 * nothing back, or take a locked page for each.
 *
 * Every block starts with a header that holds its origin and length, so free() needs neither a
 * registry nor the caller's memory. Under AddressSanitizer all blocks come from malloc(), since a
 * private heap would hide the very overruns that it looks for.
 *
 * OpenSSL has its own keys in this heap and no other place for them: when it is full, no HMAC can
 * be made and no private key read. A quarter of it is therefore left to OpenSSL. */

#include "base/secmem.h"

#include "base/lock.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <utlist.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define USE_MALLOC 1
#else
#define USE_MALLOC 0
#endif

#define ARENA_MIN_BLOCK 32

enum origin { ORIGIN_ARENA = 0x5ec0a, ORIGIN_PAGES, ORIGIN_SLAB, ORIGIN_MALLOC };

struct header {
	size_t size; /* of the caller's part */
	size_t origin;
};
_Static_assert(sizeof(struct header) == 16, "blocks must stay aligned for any type");

static struct {
	void *base;
	size_t size;
	atomic_size_t ours; /* bytes that we hold, not OpenSSL */
	atomic_bool locked;
	atomic_bool settled; /* new mappings can be locked at once */
} arena;

/* Wiped blocks, ready for reuse: of 32 bytes, 64, ... 4096, header included. */
#define KEPT_SIZES 8
#define KEPT_MAX   128 /* of each size */

struct kept {
	struct kept *next;
};

static struct {
	struct lock lock; /* guards all below */
	struct kept *blocks[KEPT_SIZES];
	unsigned count[KEPT_SIZES];
} keeping = {.lock = LOCK_INITIALIZER(LOCK_SECMEM_KEPT)};

/* Pages that blocks of one size share: 32 bytes, 48, ... 512, header included. A slab is aligned to
 * its size, so that a block's address gives its slab. */
#define SLAB_SIZE  ((size_t)64 << 10)
#define SLAB_STEP  16
#define SLAB_BLOCK 512
#define SLAB_SIZES (SLAB_BLOCK / SLAB_STEP + 1)

struct slab {
	struct slab *prev, *next; /* in the list of slabs of this size with room */
	struct kept *free;	  /* wiped */
	size_t size, used;
	size_t fresh; /* blocks from this offset on were never used */
};

/* Empty slabs that stay mapped. Without them, a loop that takes and frees one block would map,
 * lock, fault in and unmap a slab each time. */
#define SLABS_SPARE 4

static struct {
	struct lock lock; /* guards all slabs */
	struct slab *open[SLAB_SIZES];
	struct slab *spare[SLABS_SPARE]; /* the empty ones, newest first, or NULL */
} slabs = {.lock = LOCK_INITIALIZER(LOCK_SECMEM_SLABS)};

static atomic_size_t used;
static atomic_bool unlocked;

/* OpenSSL does not say where its arena is. The arena has guard pages on both sides, so it is a
 * mapping of its own: the one that contains any block. */
static void *find_arena(size_t size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	void *probe = OPENSSL_secure_malloc(1);
	uintptr_t at = (uintptr_t)probe, from, to, found = 0;
	char *line = NULL;
	size_t room = 0;

	while (maps && !found && getline(&line, &room, maps) > 0)
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2 && at >= from &&
		    at < to && to - from == size)
			found = from;
	if (maps)
		fclose(maps);
	free(line);
	OPENSSL_secure_free(probe);
	return (void *)found;
}

int secmem_init(size_t size, struct err *err)
{
	size_t rounded = 32u << 10;

	if (USE_MALLOC)
		return 0;
	while (rounded * 2 <= size)
		rounded <<= 1;
	if (!CRYPTO_secure_malloc_init(rounded, ARENA_MIN_BLOCK))
		return err_set(err, ENOMEM, "cannot reserve %zu bytes of secret memory", rounded);
	arena.base = find_arena(rounded);
	if (!arena.base)
		return err_set(err, ENOMEM, "cannot find the secret memory");
	arena.size = rounded;
	munlock(arena.base, rounded);
	return 0;
}

/* Advice for a failed mlock(2). With a limit of 0 it fails with EPERM too, so EPERM with another
 * limit comes from a filter. */
static const char *lock_advice(int code)
{
	struct rlimit limit;

	if (code == ENOSYS)
		return "the kernel, or a sandbox in its place, has no mlock2(2)";
	if (code == EPERM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur > 0)
		return "a seccomp filter or the container's profile refuses mlock(2): allow mlock2 "
		       "there, with SystemCallFilter= or --security-opt seccomp=; no limit helps";
	if (code == EPERM)
		return "RLIMIT_MEMLOCK is 0: raise it with LimitMEMLOCK=, ulimit -l or --ulimit "
		       "memlock=, or grant CAP_IPC_LOCK";
	return "raise RLIMIT_MEMLOCK with LimitMEMLOCK=, ulimit -l or --ulimit memlock=, or grant "
	       "CAP_IPC_LOCK";
}

int secmem_lock(struct err *err)
{
	if (!arena.base)
		return 0;
	atomic_store(&arena.settled, true);
	if (mlock2(arena.base, arena.size, MLOCK_ONFAULT) < 0) {
		int code = errno;

		atomic_store(&unlocked, true);
		return err_set(err, code,
			       "cannot lock %zu bytes of memory for tokens and keys: %s (%s)",
			       arena.size, strerror(code), lock_advice(code));
	}
	atomic_store(&arena.locked, true);
	if (madvise(arena.base, arena.size, MADV_DONTFORK) < 0)
		return err_set(err, errno, "cannot keep secret memory from children: %s",
			       strerror(errno));
	return 0;
}

/* The index of the smallest kept size that holds `total` bytes; KEPT_SIZES if none does. */
static unsigned kept_size(size_t total)
{
	unsigned i = 0;

	while (i < KEPT_SIZES && ((size_t)ARENA_MIN_BLOCK << i) < total)
		i++;
	return i;
}

/* The size of the block that the heap uses for `total` bytes. */
static size_t arena_block(size_t total)
{
	size_t block = ARENA_MIN_BLOCK;

	while (block < total)
		block <<= 1;
	return block;
}

static void *arena_take(size_t block)
{
	void *p = NULL;

	if (atomic_fetch_add(&arena.ours, block) + block <= arena.size / 4 * 3)
		p = OPENSSL_secure_malloc(block);
	if (!p)
		atomic_fetch_sub(&arena.ours, block);
	return p;
}

static void *arena_alloc(size_t total)
{
	unsigned i = kept_size(total);
	struct kept *k = NULL;

	if (i == KEPT_SIZES)
		return arena_take(arena_block(total));
	lock_acquire(&keeping.lock);
	k = keeping.blocks[i];
	if (k) {
		keeping.blocks[i] = k->next;
		keeping.count[i]--;
	}
	lock_release(&keeping.lock);
	return k ? k : arena_take((size_t)ARENA_MIN_BLOCK << i);
}

static void arena_free(void *p, size_t total)
{
	unsigned i = kept_size(total);
	struct kept *k = p;
	bool kept = false;

	explicit_bzero(p, total);
	if (i < KEPT_SIZES) {
		lock_acquire(&keeping.lock);
		kept = keeping.count[i] < KEPT_MAX;
		if (kept) {
			k->next = keeping.blocks[i];
			keeping.blocks[i] = k;
			keeping.count[i]++;
		}
		lock_release(&keeping.lock);
	}
	if (kept)
		return;
	OPENSSL_secure_free(p);
	atomic_fetch_sub(&arena.ours, arena_block(total));
}

static void protect(void *p, size_t total)
{
	madvise(p, total, MADV_DONTDUMP);
	if (atomic_load(&arena.locked)) {
		madvise(p, total, MADV_DONTFORK);
		if (mlock2(p, total, MLOCK_ONFAULT) < 0) /* a buffer is seldom full */
			atomic_store(&unlocked, true);
	}
}

static struct header *pages_alloc(size_t total)
{
	void *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	protect(p, total);
	return p;
}

static size_t slab_block(size_t total)
{
	total = (total + SLAB_STEP - 1) / SLAB_STEP * SLAB_STEP;
	return total < sizeof(struct header) + SLAB_STEP ? sizeof(struct header) + SLAB_STEP
							 : total;
}

static struct slab *slab_new(size_t size)
{
	char *p = mmap(NULL, 2 * SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	size_t before;
	struct slab *s;

	if (p == MAP_FAILED)
		return NULL;
	before = (SLAB_SIZE - (uintptr_t)p % SLAB_SIZE) % SLAB_SIZE;
	if (before)
		munmap(p, before);
	munmap(p + before + SLAB_SIZE, SLAB_SIZE - before);
	s = (struct slab *)(p + before);
	protect(s, SLAB_SIZE);
	s->size = size;
	s->fresh = (sizeof(*s) + SLAB_STEP - 1) / SLAB_STEP * SLAB_STEP;
	return s;
}

static bool slab_is_full(const struct slab *s)
{
	return !s->free && s->fresh + s->size > SLAB_SIZE;
}

/* The slab is in use again. */
static void spare_leave_locked(const struct slab *s)
{
	LOCK_HELD(&slabs.lock);

	for (size_t i = 0; i < SLABS_SPARE; i++)
		if (slabs.spare[i] == s)
			slabs.spare[i] = NULL;
}

/* The slab is empty: keeps it, and unmaps the one that has been empty for longest. */
static void spare_enter_locked(struct slab *s)
{
	LOCK_HELD(&slabs.lock);

	for (size_t i = 0; s && i < SLABS_SPARE; i++) {
		struct slab *older = slabs.spare[i];

		slabs.spare[i] = s;
		s = older;
	}
	if (!s)
		return;
	DL_DELETE(slabs.open[s->size / SLAB_STEP], s);
	munmap(s, SLAB_SIZE);
}

static void *slab_alloc(size_t total)
{
	size_t size = slab_block(total);
	struct slab **open = &slabs.open[size / SLAB_STEP], *s;
	void *p = NULL;

	lock_acquire(&slabs.lock);
	if (!*open) {
		s = slab_new(size);
		if (s)
			DL_PREPEND(*open, s);
	}
	s = *open;
	if (s && s->free) {
		p = s->free;
		s->free = s->free->next;
	} else if (s) {
		p = (char *)s + s->fresh;
		s->fresh += size;
	}
	if (s) {
		if (!s->used++)
			spare_leave_locked(s);
		if (slab_is_full(s))
			DL_DELETE(*open, s);
	}
	lock_release(&slabs.lock);
	return p;
}

static void slab_free(void *p, size_t total)
{
	struct slab *s = (struct slab *)((uintptr_t)p & ~(SLAB_SIZE - 1));
	struct slab **open = &slabs.open[s->size / SLAB_STEP];
	struct kept *k = p;

	explicit_bzero(p, total);
	lock_acquire(&slabs.lock);
	if (slab_is_full(s))
		DL_PREPEND(*open, s);
	k->next = s->free;
	s->free = k;
	if (--s->used == 0)
		spare_enter_locked(s);
	lock_release(&slabs.lock);
}

void *secmem_alloc(size_t n)
{
	size_t total = n + sizeof(struct header);
	struct header *h = NULL;
	enum origin origin = ORIGIN_ARENA;

	if (total < n)
		return NULL;
	if (USE_MALLOC) {
		h = malloc(total);
		origin = ORIGIN_MALLOC;
	} else {
		bool small = slab_block(total) <= SLAB_BLOCK;

		if (arena.base && n <= SECMEM_SMALL && !(small && atomic_load(&arena.settled)))
			h = arena_alloc(total);
		if (!h && small) {
			h = slab_alloc(total);
			origin = ORIGIN_SLAB;
		}
		if (!h) {
			h = pages_alloc(total);
			origin = ORIGIN_PAGES;
		}
	}
	if (!h)
		return NULL;
	*h = (struct header){.size = n, .origin = origin};
	atomic_fetch_add_explicit(&used, n, memory_order_relaxed);
	return h + 1;
}

void secmem_free(void *p)
{
	struct header *h;
	size_t total;
	enum origin origin;

	if (!p)
		return;
	h = (struct header *)p - 1;
	total = h->size + sizeof(*h);
	origin = (enum origin)h->origin;
	atomic_fetch_sub_explicit(&used, h->size, memory_order_relaxed);
	switch (origin) {
	case ORIGIN_ARENA:
		arena_free(h, total);
		break;
	case ORIGIN_SLAB:
		slab_free(h, total);
		break;
	case ORIGIN_PAGES:
		explicit_bzero(h, total);
		munmap(h, total);
		break;
	case ORIGIN_MALLOC:
		explicit_bzero(h, total);
		free(h);
		break;
	}
}

void *secmem_realloc(void *p, size_t n)
{
	void *to = secmem_alloc(n);
	struct header *h;

	if (!p || !to)
		return to;
	h = (struct header *)p - 1;
	memcpy(to, p, h->size < n ? h->size : n);
	secmem_free(p);
	return to;
}

#ifdef __x86_64__
/* The registers that only AVX-512 has; the assembler knows them whatever the compiler's target. */
static void clear_high_registers(void)
{
#define CLEAR(n) "vpxord %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
	__asm__ volatile(CLEAR(16) CLEAR(17) CLEAR(18) CLEAR(19) CLEAR(20) CLEAR(21) CLEAR(22)
				 CLEAR(23) CLEAR(24) CLEAR(25) CLEAR(26) CLEAR(27) CLEAR(28)
					 CLEAR(29) CLEAR(30) CLEAR(31)::);
#undef CLEAR
}

void secmem_clear_registers(void)
{
	if (!__builtin_cpu_supports("avx"))
		return; /* the next call of anything overwrites the SSE registers */
	__asm__ volatile("vzeroall" ::
				 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
				   "xmm15");
	if (__builtin_cpu_supports("avx512f"))
		clear_high_registers();
}
#else
void secmem_clear_registers(void)
{
}
#endif

size_t secmem_arena(void)
{
	return arena.size;
}

size_t secmem_used(void)
{
	return atomic_load_explicit(&used, memory_order_relaxed);
}

bool secmem_unlocked(void)
{
	return atomic_load(&unlocked);
}

void *wipe_malloc(size_t n)
{
	return malloc(n);
}

void *wipe_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void wipe_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc(3) may move the block and leave the old bytes behind. */
void *wipe_realloc(void *p, size_t n)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *to;

	if (p && n && n <= old)
		return p;
	to = malloc(n ? n : 1);
	if (!to)
		return NULL;
	if (p)
		memcpy(to, p, old < n ? old : n);
	wipe_free(p);
	return to;
}

char *wipe_strdup(const char *s)
{
	return strdup(s);
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return malloc(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return wipe_realloc(p, n);
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	wipe_free(p);
}

int wipe_install_openssl(void)
{
	return CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) ? 0
										       : -EALREADY;
}
