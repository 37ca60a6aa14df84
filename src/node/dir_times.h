/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DIR_TIMES_H
#define NODE_DIR_TIMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uthash.h>

/* The times of a directory, in memory alone. All in ns, as clock_wall(); all of it is guarded by the
 * tree's lock. */
struct dir_times {
	bool known;	  /* else it is the mount's time */
	bool set;	  /* by utimes(2): what comes next may be earlier */
	int64_t modified; /* st_mtime */
	int64_t changed;  /* st_ctime; 0: nothing has happened since the mount */
	int64_t read;	  /* st_atime, where it was set; 0: as `modified` */
	int64_t created;  /* of the version that it has been told of last; 0: of none */
};

/* A name in it has come or gone. */
void dir_times_move(struct dir_times *d, int64_t now);

/* Its secret's version, of that created_time (0: it has none), is shown now. The first one is believed as
 * it is; a later one is a change, and so is any that takes the place of another. */
void dir_times_learn(struct dir_times *d, int64_t created, bool after_another, int64_t now);

/* utimensat(2): times[0] and times[1] as there, UTIME_NOW and UTIME_OMIT included. */
void dir_times_set(struct dir_times *d, const struct timespec times[2], int64_t now,
		   int64_t started);

/* Fills in st_mtim and st_ctim, and st_atim where it was set. */
void dir_times_stat(const struct dir_times *d, int64_t started, struct stat *attr);

/* The times of directories for which there is no node any more, by inode number. Only so many are kept:
 * the oldest goes first. */
struct times_row;
void dir_times_keep(struct times_row **rows, uint64_t ino, const struct dir_times *d);
/* Takes them back out. All zero where there are none. */
struct dir_times dir_times_take(struct times_row **rows, uint64_t ino);
void dir_times_drop_all(struct times_row **rows);

#endif
