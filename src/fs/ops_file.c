// SPDX-License-Identifier: Apache-2.0
/* Requests about open files: OPEN, CREATE, READ, WRITE, FLUSH, FSYNC, RELEASE. READ and WRITE are
 * answered from memory: the server was asked when the file was opened, and will be when it is closed. */

#include "fs/internal.h"

#include "base/buf.h"
#include "base/metric.h"
#include "base/object.h"
#include "base/secmem.h"

#include <errno.h>
#include <fcntl.h>

static struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* The kernel will never release what it has not heard of. */
static void release_unheard(struct call *c, bool heard)
{
	struct request rq = call_request(c);

	if (heard)
		return;
	if (edit_is_draft(c->handle))
		edit_release(c->fs->tree, c->handle, &rq);
	else
		tree_release(c->fs->tree, c->handle);
}

static int run_open(struct call *c)
{
	return tree_open(c->fs->tree, c->node, &c->caller, &c->ask, &c->handle, &c->direct,
			 &c->err);
}

static void reply_open(struct call *c)
{
	c->fi.fh = (uintptr_t)c->handle;
	c->fi.direct_io = c->direct;
	c->fi.keep_cache = !c->direct;
	c->fi.noflush = 1; /* nothing to commit: saves a request at each close */
	release_unheard(c, fuse_reply_open(c->req, &c->fi) == 0);
}

static const struct op open_op = {.name = "open", .run = run_open, .reply = reply_open};

static int run_open_write(struct call *c)
{
	struct request rq = call_request(c);

	return edit_open(c->fs->tree, c->node, c->flags, &rq, &c->handle);
}

static void fill_draft_info(struct call *c)
{
	c->fi.fh = (uintptr_t)c->handle;
	c->fi.direct_io = 1;
	c->fi.keep_cache = 1; /* the pages are of the committed version, and still right */
}

static void reply_open_write(struct call *c)
{
	fill_draft_info(c);
	release_unheard(c, fuse_reply_open(c->req, &c->fi) == 0);
}

static const struct op open_write = {.name = "open for writing",
				     .pool = true,
				     .stale = true,
				     .run = run_open_write,
				     .reply = reply_open_write};

static void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	bool reads = (fi->flags & O_ACCMODE) == O_RDONLY && !(fi->flags & O_TRUNC) &&
		     !edit_is_scratch(call_node(fs, ino));
	struct call c = call_init(fs, req, reads ? &open_op : &open_write);

	if (fs_own(req)) {
		own_open(req, ino, fi);
		return;
	}
	c.node = call_node(fs, ino);
	c.flags = fi->flags;
	c.fi = *fi;
	call_start(&c);
}

static int run_create(struct call *c)
{
	struct request rq = call_request(c);

	return edit_create(c->fs->tree, c->node, c->name, c->flags, c->mode, &rq, &c->view,
			   &c->handle);
}

static void reply_create(struct call *c)
{
	struct fuse_entry_param e = call_entry(c);
	bool heard;

	fill_draft_info(c);
	heard = fuse_reply_create(c->req, &e, &c->fi) == 0;
	release_unheard(c, heard);
	if (!heard)
		tree_forget(c->fs->tree, c->view.node, 1);
}

static const struct op create = {
	.name = "create", .pool = true, .run = run_create, .reply = reply_create};

static void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &create);

	c.node = call_node(fs, parent);
	c.name = name;
	c.flags = fi->flags;
	c.mode = mode;
	c.fi = *fi;
	call_start(&c);
}

static void read_draft(fuse_req_t req, struct handle *h, size_t size, size_t offset)
{
	_cleanup_buf_ struct buf out = {0};
	int r = edit_read(fs_of(req)->tree, h, offset, size, &out);

	metric_fuse("read", -r);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, out.data, out.len);
}

static void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	_cleanup_object_ struct object *pin = NULL;
	struct handle *h = handle_of(fi);
	const char *bytes;
	size_t len;
	int r;

	if (!h) {
		fuse_reply_err(req, EBADF);
		return;
	}
	if (!edit_is_draft(h) && tree_reader(h)) {
		events_read(req, ino, size, fi);
		return;
	}
	if (edit_is_draft(h)) {
		read_draft(req, h, size, (size_t)offset);
		secmem_clear_registers();
		return;
	}
	r = tree_read(fs_of(req)->tree, h, (size_t)offset, size, &bytes, &len, &pin);
	metric_fuse("read", -r);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, bytes, len);
}

static void fs_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
		     struct fuse_file_info *fi)
{
	int r = edit_write(handle_of(fi), bytes, size, (size_t)offset);

	secmem_clear_registers();
	metric_fuse("write", -r);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_write(req, size);
}

/* What needs no call: 0 or -errno. */
static void reply_now(fuse_req_t req, const struct op *op, int r)
{
	metric_fuse(op->name, -r);
	fuse_reply_err(req, -r);
}

static void reply_done(struct call *c)
{
	fuse_reply_err(c->req, 0);
}

static int run_flush(struct call *c)
{
	struct request rq = call_request(c);

	return edit_flush(c->fs->tree, c->handle, &rq);
}

/* A child's end or an alarm must not cost what was written: only a signal that ends the writer does. */
static bool interrupted_flush(struct call *c)
{
	return edit_abandon(c->fs->tree, c->handle, c->caller.pid);
}

static const struct op flush = {.name = "close",
				.pool = true,
				.run = run_flush,
				.reply = reply_done,
				.interrupted = interrupted_flush};

static void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &flush);
	int answer = 0;

	c.node = call_node(fs, ino);
	c.handle = handle_of(fi);
	if (c.handle && edit_is_draft(c.handle) && edit_flush_pending(c.handle, &answer))
		call_start(&c);
	else
		reply_now(req, &flush, answer);
}

static int run_fsync(struct call *c)
{
	struct request rq = call_request(c);

	return edit_fsync(c->fs->tree, c->handle, &rq);
}

static const struct op fsync_op = {
	.name = "fsync", .pool = true, .run = run_fsync, .reply = reply_done};

static void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &fsync_op);

	c.node = call_node(fs, ino);
	c.handle = handle_of(fi);
	if (edit_is_draft(c.handle))
		call_start(&c);
	else
		reply_now(req, &fsync_op, 0);
}

static int run_release(struct call *c)
{
	struct request rq = call_request(c);

	rq.limit.cancel = NULL;
	return edit_release(c->fs->tree, c->handle, &rq);
}

static void reply_nobody(struct call *c)
{
}

static const struct op release = {
	.name = "last close", .pool = true, .run = run_release, .reply = reply_nobody};

/* Nobody waits for the answer, and the kernel takes only so many at a time: it is given at once, and
 * what is left to commit goes on without the request. */
static void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &release);
	struct request rq = call_request(&c);
	struct handle *h = handle_of(fi);

	if (!h) {
		/* a helper's */
	} else if (!edit_is_draft(h)) {
		tree_release(fs->tree, h);
	} else if (!edit_release_pending(h)) {
		edit_release(fs->tree, h, &rq);
	} else {
		c.req = NULL;
		c.node = c.held = call_node(fs, ino);
		tree_hold(fs->tree, c.held);
		c.handle = h;
		edit_release_begin(fs->tree, h);
		call_start(&c);
	}
	fuse_reply_err(req, 0);
}

static void fs_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
			 struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	int r = 0;

	if (!edit_is_draft(h) || (mode & ~FALLOC_FL_KEEP_SIZE))
		r = -EOPNOTSUPP;
	else if (!(mode & FALLOC_FL_KEEP_SIZE))
		r = edit_allocate(h, (size_t)(offset + length));
	fuse_reply_err(req, -r);
}

/* The kernel takes that for an answer to all opens to come, and to all closes. */
static void fs_open_without_us(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static int run_read_fixed(struct call *c)
{
	return tree_read_fixed(c->fs->tree, c->node, c->offset, c->size, &c->ask, &c->content,
			       &c->err);
}

static void reply_read_fixed(struct call *c)
{
	fuse_reply_buf(c->req, c->content.bytes, c->content.len);
	object_put(c->content.object);
}

static const struct op read_fixed = {
	.name = "read", .run = run_read_fixed, .reply = reply_read_fixed};

static void fs_read_fixed(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			  struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &read_fixed);

	c.node = call_node(fs, ino);
	c.size = size;
	c.offset = (size_t)offset;
	call_start(&c);
}

void ops_file_fast(struct fuse_lowlevel_ops *ops)
{
	ops->open = fs_open_without_us;
	ops->flush = fs_open_without_us;
	ops->read = fs_read_fixed;
}

void ops_file(struct fuse_lowlevel_ops *ops)
{
	ops->open = fs_open;
	ops->create = fs_create;
	ops->read = fs_read;
	ops->write = fs_write;
	ops->flush = fs_flush;
	ops->fsync = fs_fsync;
	ops->release = fs_release;
	ops->fallocate = fs_fallocate;
}
