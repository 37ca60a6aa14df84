// SPDX-License-Identifier: Apache-2.0
/* Looks for damage in SQLite's write-ahead log before SQLite does. SQLite takes the first bad frame
 * for the end of the log, and drops everything after it. https://sqlite.org/fileformat2.html,
 * section 4:
 *
 * | header, salts, sum0 | frame, salts, sum1 | frame, COMMIT, salts, sum2 | frame, ...
 *
 * Each sum covers the previous sum and the frame. So a frame after a bad one can still be proven
 * from the sum stored in its predecessor, which also proves that the two were written in this
 * order.
 *
 * Which frames can be bad after a crash? With synchronous=FULL the log is synced with each commit,
 * and a transaction begins after the last commit. Then only sectors of the transaction that was
 * being written may be missing. After it there may be leftovers of longer transactions that were
 * given up, even with a commit frame if the sync failed. But each of them began at the same place,
 * so nothing ever followed its commit frame. Leftovers from before the log's last restart have
 * other salts.
 *
 * Hence: if a frame continues the sum of a commit frame, that commit came first, and all frames up
 * to it were whole and on the disk. If one of them is bad now, that is damage, and the file is
 * refused. Damage within the last transaction looks like a crash during it, and a log that was cut
 * off looks like one not yet written: neither can be detected.
 *
 * The header is synced before the first frame is written, and lies in one sector. If it is bad and
 * a commit frame is whole, that is damage too. */

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
#define FRAME	  24u /* followed by a page */
#define SALTS	  8u  /* offset in a frame's head; the sum follows them */
#define SECTOR	  512u
#define MAGIC	  0x377f0682u /* the lowest bit: the words of the sums are big-endian */
#define POLL	  (5 * NS_PER_MS)
#define FROM_PAGE 16 /* offset of the page size in the database */

struct sum {
	uint32_t a, b;
};

struct scan {
	bool sound; /* the header is */
	bool big;
	unsigned char salts[8]; /* the log's; if the header is bad, those of the last frame */
	struct sum last;	/* as stored in the header or the last frame */
	bool bad;		/* there was a bad frame or header */
	bool done; /* the last frame is a commit frame, after a bad one or bad itself */
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

/* 1, 0 if the file ends before, or -errno. */
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

/* If the header is bad, assumes this machine's byte order and the database's page size. */
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

/* Whether this frame, at offset `at`, proves that the log is damaged. */
static bool frame_tells(struct scan *s, const unsigned char *frame, uint32_t page, off_t at)
{
	bool ours = !memcmp(frame + SALTS, s->salts, sizeof(s->salts));
	bool commit = word(frame + 4, true) != 0, tells = false;
	/* Then one write made it, and the right one if the next frame continues its sum. */
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

/* Checks with the file to ourselves. SQLite keeps a SHARED lock on the database while a connection
 * uses the log. Its own recovery and its clean-up at the last close rely on EXCLUSIVE, as this
 * does. The locks are taken through SQLite: closing any other descriptor of the file would drop
 * this process's locks. -EAGAIN: another has the file to itself. */
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
		/* 1 stands for 65536. */
		io->xRead(file, size, sizeof(size), FROM_PAGE);
		r = wal_check(fd, (uint32_t)size[0] << 8 | (uint32_t)size[1] << 16, damaged);
	}
	io->xUnlock(file, SQLITE_LOCK_NONE);
	return r;
}

/* A checker holds a lock on the log. So if we find the database shared, the other is no checker,
 * but one that has finished its check. -ESTALE: the log was removed meanwhile. */
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
	/* If it cannot be opened, the caller will find that out. */
	if (sqlite3_open_v2(path, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK)
		r = check_log(sql, limit, damaged);
	sqlite3_close(sql);
	return r;
}
