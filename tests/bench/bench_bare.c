// SPDX-License-Identifier: Apache-2.0
/* The least that a FUSE file system can do while it still sees each open(2): one file, from memory, with
 * the kernel's caches used to the limit. What vaultfs is measured against. */

#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>

static const char text[] = "0123456789abcdef0123456789abcdef";

static struct stat attr_of(fuse_ino_t ino)
{
	struct stat st = {.st_ino = ino,
			  .st_mode = ino == 1 ? S_IFDIR | 0755 : S_IFREG | 0644,
			  .st_nlink = 1,
			  .st_size = ino == 1 ? 0 : sizeof(text) - 1};

	return st;
}

static void on_init(void *arg, struct fuse_conn_info *conn)
{
	/* Splicing pays for large data alone. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE);
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.ino = 2, .attr = attr_of(2), .attr_timeout = 3600, .entry_timeout = 3600};

	if (strcmp(name, "x") != 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &e);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = attr_of(ino);

	fuse_reply_attr(req, &st, 3600);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fi->keep_cache = 1;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	size_t at = (size_t)offset < sizeof(text) - 1 ? (size_t)offset : sizeof(text) - 1;

	fuse_reply_buf(req, text + at, sizeof(text) - 1 - at);
}

int main(int argc, char **argv)
{
	static const struct fuse_lowlevel_ops ops = {.init = on_init,
						     .lookup = on_lookup,
						     .getattr = on_getattr,
						     .open = on_open,
						     .read = on_read};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	struct fuse_loop_config *config = fuse_loop_cfg_create();

	if (argc != 2 || !se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[1]))
		return 1;
	fuse_loop_cfg_set_max_threads(config, 4);
	fuse_loop_cfg_set_idle_threads(config, 4);
	fuse_session_loop_mt(se, config);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return 0;
}
