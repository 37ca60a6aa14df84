/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc says of the processes that call us. A pid may be a thread's. 0 is one that we cannot
 * see, in another namespace. */

/* The process of a thread; the pid itself where it cannot be found out. */
pid_t process_of(pid_t pid);

bool process_alive(pid_t pid);

/* Whether a signal is ending it, or will as soon as it leaves the kernel, and it does not merely exit:
 * what it was writing then is not whole. */
bool process_killed(pid_t pid);

/* Its arguments, each ended by a NUL, *len bytes in all; heap. NULL where they cannot be had. They are
 * the process's own memory, which may be made to wait for ever: not to be asked of a process that may
 * wish us harm. */
char *process_arguments(pid_t pid, size_t *len);

/* Whether a group is among its supplementary groups. */
bool process_in_group(pid_t pid, gid_t gid);

/* How many supplementary groups it has, with them in *groups, heap; 0 and NULL where that cannot be
 * found out. */
size_t process_groups(pid_t pid, gid_t **groups);

/* Sends a signal to the process whose number is the first line of a file, as a daemon writes it. The
 * file is regular, root's or ours, and nobody else may write to it; the process is its owner's, or the
 * file is root's. Never waits. 0; -EINVAL: there is no such number in it; -EPERM: it is not to be
 * trusted; -ESRCH: there is no such process; or why it cannot be read. */
int process_signal_file(const char *file, int number);

/* Whether we can tell its groups at all: not where it is in a pid namespace that we do not see into, or
 * /proc hides it. */
bool process_is_seen(pid_t pid);

/* Its effective capabilities, a bit each, in its own user namespace; 0 where we cannot tell. */
uint64_t process_capabilities(pid_t pid);

#endif
