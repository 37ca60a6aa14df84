/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECMEM_H
#define BASE_SECMEM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Memory for tokens, values and keys: locked, left out of core dumps, wiped when freed.
 *
 * Blocks of up to SECMEM_SMALL bytes come from one arena (OpenSSL's secure heap) until three quarters of
 * it are used; larger blocks, and those that find no room, are mapped. When the kernel refuses to lock
 * more, further blocks stay unlocked, and secmem_unlocked() is true. Thread-safe. */

#define SECMEM_SMALL (64u << 10)

/* Makes the arena, of at most `arena` bytes (rounded down to a power of two, at least 32 KiB). Call once,
 * before the first use, and before anything in the process uses OpenSSL. */
int secmem_init(size_t arena, struct err *err);

/* Locks the arena. A fork inherits no locks, so the daemon calls it after it has detached. Children
 * forked later do not inherit the arena at all. -EPERM or -ENOMEM if a limit or a filter forbids
 * it; the sentence says which. */
int secmem_lock(struct err *err);

/* NULL when there is no memory. Aligned for any type; not cleared. n == 0 yields a valid block. */
void *secmem_alloc(size_t n);

/* Like realloc(3), but wipes the old block. */
void *secmem_realloc(void *p, size_t n);

/* Wipes and frees. NULL is fine. */
void secmem_free(void *p);

/* The arena's size in bytes. */
size_t secmem_arena(void);

/* Clears the vector registers, in which memcpy(3) leaves the bytes it copied last: a core dump holds
 * registers even if it holds no memory. A thread calls it when it is done with secrets for a while. */
void secmem_clear_registers(void);

/* Bytes in use now, and whether any block could not be locked since the start. */
size_t secmem_used(void);
bool secmem_unlocked(void);

/* malloc(3) and its kin, but wiping freed memory: for libraries that handle secrets on their way (a
 * header with the token, a TLS record). */
void *wipe_malloc(size_t n);
void *wipe_calloc(size_t n, size_t size);
void *wipe_realloc(void *p, size_t n);
char *wipe_strdup(const char *s);
void wipe_free(void *p);

/* Makes OpenSSL use them. Call it before OpenSSL's first allocation; -EALREADY after that. */
int wipe_install_openssl(void);

static inline void cleanup_secmem(void *p)
{
	secmem_free(*(void **)p);
}
#define _cleanup_secmem_ _cleanup_(cleanup_secmem)

#endif
