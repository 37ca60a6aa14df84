// SPDX-License-Identifier: Apache-2.0
/* Looks for damage in SQLite's write-ahead log before SQLite does, which takes the first bad frame
 * for the end of the log, and drops all behind it. https://sqlite.org/fileformat2.html, section 4:
 *
 *	| header, salts, sum0 | frame, salts, sum1 | frame, COMMIT, salts, sum2 | frame, ...
 *
 * Each sum is made of the one before and of the frame. So a frame behind a bad one can still be proven,
 * from the sum that its predecessor has stored, and with it that they were written one after the other.
 *
 * What is bad after a crash? With synchronous=FULL the log is synced with each commit, and a transaction
 * begins behind the last commit only. Then any sectors of the one that was being written may be missing,
 * and no others. Behind that one there may be leftovers of longer ones that were given up, with a commit
 * frame even, where the sync failed: but each of them was begun at the same place, so that nothing ever
 * followed its commit frame. Leftovers of before the log's last restart have other salts.
 *
 * Hence: where a frame was made from the sum of a commit frame, the commit was done before it, and all
 * frames up to there were whole and on the disk. If one of them is bad now, it is damage, and the file is
 * refused. Damage within the last transaction looks the same as a crash during it, and a log whose end
 * is cut off the same as one not written yet: neither can be told.
 *
 * The header is synced before the first frame is written behind it, and lies in one sector: where it is
 * bad and a commit frame is whole, it is damage too. */

#include "store/wal_check.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER	  32u
#define FRAME	  24u /* and a page behind it */
#define SALTS	  8u  /* in a frame's head, and the sum behind them */
#define SECTOR	  512u
#define MAGIC	  0x377f0682u /* the lowest bit: the words of the sums are big-endian */
#define POLL	  (5 * NS_PER_MS)
#define FROM_PAGE 16 /* where the database has the size of its pages */

struct sum {
	uint32_t a, b;
};

struct scan {
	bool sound; /* the header is */
	bool big;
	unsigned char salts[8]; /* of the log, or where it is not sound of the frame before */
	struct sum last;	/* as the header or the frame before has stored it */
	bool bad;		/* there was one */
	bool done; /* the frame before is a commit frame, behind a bad one or bad itself */
};

static uint32_t word(const unsigned char *p, bool big)
{
	return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
		   : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum sum_of(bool big, const unsigned char *p, size_t len, struct sum s)
{
	for (size_t i = 0; i < len; i += 8) {
		s.a += word(p + i, big) + s.b;
		s.b += word(p + i + 4, big) + s.a;
	}
	return s;
}

static struct sum stored(const unsigned char *p)
{
	return (struct sum){word(p, true), word(p + 4, true)};
}

static bool same(struct sum x, struct sum y)
{
	return x.a == y.a && x.b == y.b;
}

static bool page_fits(uint32_t page)
{
	return page >= 512 && page <= 65536 && !(page & (page - 1));
}

/* 1, 0 where it ends before, or -errno. */
static int read_at(int fd, void *to, size_t len, off_t at)
{
	for (size_t n = 0; n < len;) {
		ssize_t r = pread(fd, (char *)to + n, len - n, at + (off_t)n);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return 0;
		n += r < 0 ? 0 : (size_t)r;
	}
	return 1;
}

/* Where the header is bad: the words of this machine, and the pages of the database. */
static void begin(struct scan *s, const unsigned char *header, uint32_t *page)
{
	uint32_t magic = word(header, true), size = word(header + 8, true);

	s->big = magic & 1;
	s->last = stored(header + 24);
	memcpy(s->salts, header + 16, sizeof(s->salts));
	s->sound = (magic & ~1u) == MAGIC && page_fits(size) &&
		   same(sum_of(s->big, header, 24, (struct sum){0}), s->last);
	s->bad = !s->sound;
	if (s->sound)
		*page = size;
	else
		s->big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}

/* Whether this frame shows that the log is damaged. `at` is where it is. */
static bool frame_tells(struct scan *s, const unsigned char *frame, uint32_t page, off_t at)
{
	bool ours = !memcmp(frame + SALTS, s->salts, sizeof(s->salts));
	bool commit = word(frame + 4, true) != 0, tells = false;
	/* Then it is of one write, and of the right one where the next is made from its sum. */
	bool one_sector = at / SECTOR == (at + (off_t)FRAME - 1) / SECTOR;
	struct sum sum = sum_of(s->big, frame + FRAME, page, sum_of(s->big, frame, 8, s->last));
	bool whole = ours && word(frame, true) != 0 && same(sum, stored(frame + 16));

	if (whole && s->bad) {
		tells = s->done || (commit && !s->sound);
		s->done = commit;
	} else if (!whole) {
		s->bad = true;
		s->done = commit && one_sector;
	}
	s->last = stored(frame + 16);
	if (!s->sound)
		memcpy(s->salts, frame + SALTS, sizeof(s->salts));
	return tells;
}

int wal_check(int fd, uint32_t page, bool *damaged)
{
	_cleanup_free_ unsigned char *frame = NULL;
	unsigned char header[HEADER];
	struct scan s = {0};
	int r = read_at(fd, header, sizeof(header), 0);

	*damaged = false;
	if (r <= 0)
		return r;
	begin(&s, header, &page);
	if (!page_fits(page))
		return 0; /* SQLite will not take the database either */
	frame = malloc(FRAME + page);
	if (!frame)
		return -ENOMEM;
	for (off_t at = HEADER; !*damaged; at += (off_t)(FRAME + page)) {
		r = read_at(fd, frame, FRAME + page, at);
		if (r <= 0)
			return r;
		*damaged = frame_tells(&s, frame, page, at);
	}
	return 0;
}

static int pause_a_little(struct limit limit)
{
	uint64_t now = clock_mono();

	if (now >= limit.deadline)
		return -ETIMEDOUT;
	return cancel_sleep(limit.cancel, now + POLL) ? -EINTR : 0;
}

/* With the file to itself. SQLite keeps a SHARED lock on the database as long as a connection uses the
 * log, and its own recovery and its own clearing up at the last close rest on EXCLUSIVE as this does. The
 * locks are taken through SQLite, since closing any other descriptor of the file would drop those that
 * this process has. -EAGAIN: another has it for itself. */
static int check_alone(sqlite3_file *file, int fd, bool *damaged)
{
	const sqlite3_io_methods *io = file->pMethods;
	unsigned char size[2] = {0};
	int rc = io->xLock(file, SQLITE_LOCK_SHARED), r = 0;

	if ((rc & 0xff) == SQLITE_BUSY)
		return -EAGAIN;
	if (rc == SQLITE_OK)
		rc = io->xLock(file, SQLITE_LOCK_EXCLUSIVE);
	if (rc == SQLITE_OK) {
		/* Of 65536 there is a 1. */
		io->xRead(file, size, sizeof(size), FROM_PAGE);
		r = wal_check(fd, (uint32_t)size[0] << 8 | (uint32_t)size[1] << 16, damaged);
	}
	io->xUnlock(file, SQLITE_LOCK_NONE);
	return r;
}

/* One that checks keeps a lock on the log: who finds the database shared then knows that it is no
 * other that checks, but one that has done so. -ESTALE: the log was taken away meanwhile. */
static int lock_log(int fd, struct limit limit)
{
	struct stat st;
	int r = 0;

	while (r == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK || errno == EINTR ? pause_a_little(limit) : -errno;
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	return r == 0 && st.st_nlink == 0 ? -ESTALE : r;
}

static int check_log(sqlite3 *sql, struct limit limit, bool *damaged)
{
	const char *log = sqlite3_filename_wal(sqlite3_db_filename(sql, "main"));
	sqlite3_file *file = NULL;
	int r = -ESTALE;

	sqlite3_file_control(sql, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (!file || !file->pMethods)
		return 0;
	while (r == -ESTALE || r == -EAGAIN) {
		_cleanup_close_ int fd = open(log, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return errno == ENOENT ? 0 : -errno;
		r = lock_log(fd, limit);
		if (r == 0)
			r = check_alone(file, fd, damaged);
		if (r == -EAGAIN) {
			int slept = pause_a_little(limit);

			r = slept < 0 ? slept : r;
		}
	}
	return r;
}

int wal_check_beside(const char *path, struct limit limit, bool *damaged)
{
	sqlite3 *sql = NULL;
	int r = 0;

	*damaged = false;
	/* Where it cannot be opened, the caller will find that out. */
	if (sqlite3_open_v2(path, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK)
		r = check_log(sql, limit, damaged);
	sqlite3_close(sql);
	return r;
}
