/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

#include "base/err.h"

#include <spawn.h>
#include <stdint.h>
#include <sys/types.h>

/* Programs that we start get the descriptors that we were started with, and none of ours: a connection
 * to the server is as good as the token. The only way to start or to become a program, but for
 * runner.c, whose process has none. */

/* First of all, before anything is opened: what is open now was given to us, and is passed on. */
void child_begin(void);

/* Has all that was opened since be closed by execve(2). For libraries that start programs themselves.
 * */
void child_seal(void);

/* As posix_spawnp(3), but 0 or -errno. `attr` may be NULL. */
int child_spawn(pid_t *pid, const char *file, const posix_spawnattr_t *attr, char *const *argv,
		char *const *environment);

/* As execvpe(3). Returns on failure alone, with errno set. */
void child_exec(const char *file, char *const *argv, char *const *environment);

/* A process of ours, forked before there are threads: it runs `serve`, in a session of its own, and ends
 * when that returns. All that it has open is `fd`, a socket to us that keeps messages apart. Signals that
 * end programs do not end it, but for `death`, which it gets when the thread that made it has ended. Its
 * pid, with our end of the socket in *fd; -errno with `err` set. */
pid_t child_fork(const char *name, int death, void (*serve)(int fd, const void *arg),
		 const void *arg, int *fd, struct err *err);

/* Waits for the end of a child of ours: for `patience` ns, and after SIGKILL for as long again. A
 * process that is held in the kernel for longer is left to init. */
void child_reap(pid_t pid, uint64_t patience);

#endif
