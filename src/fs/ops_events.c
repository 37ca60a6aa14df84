// SPDX-License-Identifier: Apache-2.0
/* Requests about .vault/events: READ, which waits for the next change as read(2) of a pipe does, and
 * POLL, that poll(2) and epoll come to on any file. */

#include "fs/internal.h"

#include "event/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

static struct feed_reader *reader_of(const struct fuse_file_info *fi)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;

	return h && !edit_is_draft(h) ? tree_reader(h) : NULL;
}

static int run_read(struct call *c)
{
	_cleanup_buf_ struct buf lines = {0};
	int r = feed_read(tree_reader(c->handle), c->size, &c->ask, &lines);

	if (r != 0)
		return r;
	c->text = malloc(lines.len);
	if (!c->text)
		return -ENOMEM;
	memcpy(c->text, lines.data, lines.len);
	c->text_len = lines.len;
	return 0;
}

static void reply_read(struct call *c)
{
	fuse_reply_buf(c->req, c->text, c->text_len);
	free(c->text);
}

static const struct op read_op = {.name = "read events", .run = run_read, .reply = reply_read};

void events_read(fuse_req_t req, fuse_ino_t ino, size_t size, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &read_op);
	int r;

	c.node = call_node(fs, ino);
	c.handle = (struct handle *)(uintptr_t)fi->fh;
	c.size = size;
	c.ask.deadline = UINT64_MAX; /* a signal ends it, or the unmount */
	if (!(fi->flags & O_NONBLOCK)) {
		call_start(&c);
		return;
	}
	r = run_read(&c);
	if (r == 0)
		reply_read(&c);
	else
		fuse_reply_err(req, r == PARKED ? EAGAIN : -r);
}

static void wake(void *arg)
{
	struct fuse_pollhandle *ph = arg;

	fuse_lowlevel_notify_poll(ph);
	fuse_pollhandle_destroy(ph);
}

static void drop(void *arg)
{
	fuse_pollhandle_destroy(arg);
}

/* Any other file is always ready, as on a disk. */
static void fs_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *ph)
{
	struct feed_reader *r = reader_of(fi);
	struct feed_waker waker = {.wake = wake, .drop = drop, .arg = ph};

	if (r) {
		fuse_reply_poll(req, feed_poll(r, ph ? &waker : NULL) ? POLLIN | POLLRDNORM : 0);
		return;
	}
	if (ph)
		fuse_pollhandle_destroy(ph);
	fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

void ops_events(struct fuse_lowlevel_ops *ops)
{
	ops->poll = fs_poll;
}
