// SPDX-License-Identifier: Apache-2.0
/* Requests about extended attributes: GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR. */

#include "fs/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 1024

/* As the kernel does for a file system that leaves permissions to it (xattr(7)). */
static int run_get(struct call *c)
{
	bool ours = !strncmp(c->name, "user.", 5);
	int r = ours ? tree_permit(c->fs->tree, c->node, &c->caller, R_OK) : 0;

	if (r == 0)
		r = tree_getxattr(c->fs->tree, c->node, c->name, &c->ask, &c->text, &c->err);
	if (r == 0)
		c->text_len = strlen(c->text);
	return r;
}

/* Who may not read them is not told of any: keys of custom metadata are the secret's own. */
static int run_list(struct call *c)
{
	if (tree_permit(c->fs->tree, c->node, &c->caller, R_OK) < 0)
		return 0;
	return tree_listxattr(c->fs->tree, c->node, &c->ask, &c->text, &c->text_len, &c->err);
}

/* The size is asked for first, then the text. */
static void reply_text(struct call *c)
{
	if (!c->size)
		fuse_reply_xattr(c->req, c->text_len);
	else if (c->size < c->text_len)
		fuse_reply_err(c->req, ERANGE);
	else
		fuse_reply_buf(c->req, c->text, c->text_len);
	free(c->text);
}

static const struct op getxattr_op = {.name = "getxattr", .run = run_get, .reply = reply_text};
static const struct op listxattr_op = {.name = "listxattr", .run = run_list, .reply = reply_text};

static int run_set(struct call *c)
{
	struct request rq = call_request(c);

	return edit_setxattr(c->fs->tree, c->node, c->name, c->name2, strlen(c->name2), c->flags,
			     &rq);
}

static int run_remove(struct call *c)
{
	struct request rq = call_request(c);

	return edit_removexattr(c->fs->tree, c->node, c->name, &rq);
}

static void reply_done(struct call *c)
{
	fuse_reply_err(c->req, 0);
}

static const struct op setxattr_op = {
	.name = "setxattr", .pool = true, .run = run_set, .reply = reply_done};

static const struct op removexattr_op = {
	.name = "removexattr", .pool = true, .run = run_remove, .reply = reply_done};

static void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &getxattr_op);

	c.node = call_node(fs, ino);
	c.name = name;
	c.size = size;
	call_start(&c);
}

static void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &listxattr_op);

	c.node = call_node(fs, ino);
	c.size = size;
	call_start(&c);
}

static void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &setxattr_op);
	/* What is longer is no value of ours. */
	_cleanup_free_ char *text = strndup(value, size < VALUE_MAX ? size : VALUE_MAX);

	c.node = call_node(fs, ino);
	c.name = name;
	c.name2 = text;
	c.flags = flags;
	if (strncmp(name, "user.", 5) != 0)
		fuse_reply_err(req, EOPNOTSUPP);
	else if (!text)
		fuse_reply_err(req, ENOMEM);
	else if (memchr(value, '\0', size))
		fuse_reply_err(req, EINVAL); /* nothing that can be set holds NUL */
	else
		call_start(&c);
}

static void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct fs *fs = fs_of(req);
	struct call c = call_init(fs, req, &removexattr_op);

	c.node = call_node(fs, ino);
	c.name = name;
	if (strncmp(name, "user.", 5) != 0)
		fuse_reply_err(req, EOPNOTSUPP);
	else
		call_start(&c);
}

void ops_xattr(struct fuse_lowlevel_ops *ops)
{
	ops->getxattr = fs_getxattr;
	ops->listxattr = fs_listxattr;
	ops->setxattr = fs_setxattr;
	ops->removexattr = fs_removexattr;
}
