/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc's account of the processes that call us. A pid may be a thread's; 0 is a process in a pid
 * namespace that we cannot see. */

/* The process of a thread; the pid itself if that is unknown. */
pid_t process_of(pid_t pid);

bool process_alive(pid_t pid);

/* Whether a signal is ending it, or will when it leaves the kernel; false for an ordinary exit.
 * Then the file that it was writing is incomplete. */
bool process_killed(pid_t pid);

/* Its arguments, each ended by a NUL, *len bytes in all; heap. NULL if they cannot be read. They
 * are in the process's own memory, and reading that may block for ever: never ask a process that
 * may wish us harm. */
char *process_arguments(pid_t pid, size_t *len);

/* Whether a group is among its supplementary groups. */
bool process_in_group(pid_t pid, gid_t gid);

/* The number of its supplementary groups, with the groups in *groups, heap; 0 and NULL if they are
 * unknown. */
size_t process_groups(pid_t pid, gid_t **groups);

/* Sends a signal to the process whose number is the first line of a file, as daemons write it. The
 * file must be regular, owned by root or us, and writable by nobody else. Unless root owns the
 * file, the process must belong to the file's owner. Never waits. 0; -EINVAL: the file holds no
 * such number; -EPERM: the file is not to be trusted; -ESRCH: there is no such process; or -errno
 * of reading the file. */
int process_signal_file(const char *file, int number);

/* Whether we can see its groups at all: not if it is in a pid namespace that we cannot see, or
 * /proc hides it. */
bool process_is_seen(pid_t pid);

/* Its effective capabilities as bits, in its own user namespace; 0 if unknown. */
uint64_t process_capabilities(pid_t pid);

#endif
