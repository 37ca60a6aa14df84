/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_FS_FUZZ_H
#define FUZZ_FS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(a)	 ((a)[roll(COUNT(a))])

#define FDS	  12
#define PATH_ROOM 4200

/* What a worker is doing, where the parent can see it. */
struct state {
	char text[256];
	time_t since; /* of the call that is under way; 0: none */
	uint64_t calls;
};

/* The process that calls. */
struct worker {
	struct state *state;
	const char *root;   /* of the mount */
	const char *canary; /* what nobody but root may read; "" none */
	uint64_t dice;
	bool is_root;
	int fds[FDS];
	char path[PATH_ROOM], path2[PATH_ROOM];
	char bytes[70000];
};
extern struct worker me;

/* A number below `n`. */
uint64_t roll(uint64_t n);

void make_path(char to[PATH_ROOM]);

/* Ends the process where the first `n` of me.bytes hold what it must not read. */
void check_read(ssize_t n);

/* One system call, or a few that belong together, on me.path and me.fds. */
struct call {
	const char *name;
	void (*run)(void);
	unsigned weight;
};
extern const struct call calls[];
extern const size_t call_count;

/* To be called once by each worker. */
void calls_init(void);

#endif
