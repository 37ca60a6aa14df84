/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

#include "base/err.h"

#include <spawn.h>
#include <stdint.h>
#include <sys/types.h>

/* Programs that we start inherit the descriptors that we were started with, and none of ours: a
 * connection to the server is as good as the token. All programs are started through this file. The
 * exception is runner.c, whose process has no such descriptors. */

/* Call it first, before anything is opened: the open descriptors were given to us, and are passed
 * on. */
void child_begin(void);

/* Sets close-on-exec on every descriptor opened since then. For libraries that start programs
 * themselves. */
void child_seal(void);

/* Like posix_spawnp(3), but returns 0 or -errno. `attr` may be NULL. */
int child_spawn(pid_t *pid, const char *file, const posix_spawnattr_t *attr, char *const *argv,
		char *const *environment);

/* Like execvpe(3). Returns only on failure, with errno set. */
void child_exec(const char *file, char *const *argv, char *const *environment);

/* Forks a process of ours; call it before there are threads. It runs `serve`, in a session of its
 * own, and ends when that returns. Its only descriptor is `fd`, a socket to us that keeps message
 * boundaries. It ignores the signals that end programs, except `death`, which it gets when the
 * thread that made it ends. Returns its pid, with our end of the socket in *fd; -errno with `err`
 * set. */
pid_t child_fork(const char *name, int death, void (*serve)(int fd, const void *arg),
		 const void *arg, int *fd, struct err *err);

/* Waits `patience` ns for a child to end, then sends SIGKILL and waits as long again. A process
 * that is stuck in the kernel for longer is left to init. */
void child_reap(pid_t pid, uint64_t patience);

#endif
