/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CHILD_H
#define HOST_CHILD_H

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

/* Waits for the end of a child of ours: for `patience` ns, and after SIGKILL for as long again. A
 * process that is held in the kernel for longer is left to init. */
void child_reap(pid_t pid, uint64_t patience);

#endif
