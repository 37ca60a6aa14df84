// SPDX-License-Identifier: Apache-2.0
/* The session with the kernel: mounted, served, stopped, unmounted. */

#include "config.h"

#include "fs/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "event/feed.h"
#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define URING_ALLOWED "/sys/module/fuse/parameters/enable_uring"

int fs_check_io_uring(struct err *err)
{
#ifdef HAVE_FUSE_IO_URING
	return 0;
#else
	return err_set(err, EOPNOTSUPP,
		       "io_uring: this build lacks it, which needs libfuse 3.18 or later");
#endif
}

static void warn_of_io_uring(void)
{
	_cleanup_close_ int fd = open(URING_ALLOWED, O_RDONLY | O_CLOEXEC);
	char allowed = 'N';

	if (fd < 0 || read(fd, &allowed, 1) != 1 || allowed != 'Y')
		log_warning("io_uring is not used: the kernel does not allow it",
			    F_STR("see", URING_ALLOWED));
}

static void on_init(void *arg, struct fuse_conn_info *conn)
{
	const struct fs *fs = arg;
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA |
			FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
			FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_DIO;

	/* Files never change then: another version is another file. */
	if (fs->config.fast_open)
		want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
#ifdef HAVE_FUSE_IO_URING
	if (fs->config.io_uring)
		want |= (unsigned)FUSE_CAP_OVER_IO_URING;
#endif
	conn->want = want & conn->capable;
	/* Readahead must not wait behind other background requests. */
	conn->max_background = 64;
}

static struct fuse_lowlevel_ops make_ops(const struct fs_config *config)
{
	struct fuse_lowlevel_ops ops = {.init = on_init};

	ops_attr(&ops);
	ops_file(&ops);
	if (config->fast_open)
		ops_file_fast(&ops);
	ops_dir(&ops);
	ops_name(&ops);
	ops_xattr(&ops);
	ops_events(&ops);
	return ops;
}

/* What libfuse says goes where everything else goes. */
_printf_(2, 0) static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	if (level <= FUSE_LOG_WARNING)
		log_warning("libfuse", F_STR("text", text));
	else
		log_debug("libfuse", F_STR("text", text));
}

static struct fuse_session *new_session(struct fs *fs)
{
	struct fuse_lowlevel_ops ops = make_ops(&fs->config);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	_cleanup_buf_ struct buf options = {0};

	buf_add_str(&options, "-osubtype=vaultfs,nosuid,nodev,noexec,fsname=");
	for (const char *p = fs->config.source; *p; p++) {
		if (*p == ',' || *p == '\\')
			buf_add(&options, "\\", 1);
		buf_add(&options, p, 1);
	}
	if (fs->config.allow_other)
		buf_add_str(&options, ",allow_other");
	/* Else nobody would check search permission on the way to what the kernel has cached. */
	if (fs->config.allow_other || fs->config.fast_open)
		buf_add_str(&options, ",default_permissions");
	if (fs->config.fast_open)
		buf_add_str(&options, ",ro");
	if (fs->config.io_uring)
		buf_add_str(&options, ",io_uring");
	if (fs->config.auto_unmount)
		buf_add_str(&options, ",auto_unmount");
	if (buf_status(&options) == 0 && fuse_opt_add_arg(&args, "vaultfs") == 0 &&
	    fuse_opt_add_arg(&args, options.data) == 0)
		session = fuse_session_new(&args, &ops, sizeof(ops), fs);
	fuse_opt_free_args(&args);
	return session;
}

struct fs *fs_new(const struct fs_config *config, struct err *err)
{
	struct fs *fs = calloc(1, sizeof(*fs));

	if (!fs) {
		err_set(err, ENOMEM, "no memory for the file system");
		return NULL;
	}
	fs->config = *config;
	calls_init(fs);
	fuse_set_log_func(on_fuse_log);
	if (config->io_uring)
		warn_of_io_uring();
	fs->session = new_session(fs);
	if (fs->session)
		fs->notifier = notifier_new(fs, err);
	else
		err_set(err, EINVAL, "libfuse refuses the mount options");
	if (!fs->notifier) {
		fs_free(fs);
		return NULL;
	}
	return fs;
}

void fs_changed(void *arg, struct notice *notice)
{
	struct fs *fs = arg;

	notifier_add(fs->notifier, notice);
}

int fs_mount(struct fs *fs, struct tree *tree, struct err *err)
{
	fs->tree = tree;
	child_seal(); /* it may start fusermount3 */
	if (fuse_session_mount(fs->session, fs->config.dir) != 0)
		return err_set(err, EIO,
			       "cannot mount on %s: is /dev/fuse there, fusermount3 installed and "
			       "user_allow_other set in /etc/fuse.conf (for allow_other)?",
			       fs->config.dir);
	fs->mounted = true;
	helpers_mounted(&fs->config.helpers, fs->config.dir);
	return 0;
}

void fs_stop(struct fs *fs)
{
	fuse_session_exit(fs->session);
	calls_stop(fs);
	/* The loop's main thread sleeps on a semaphore from which only a signal wakes it; one that
	 * comes just before it falls asleep is lost, so it is said until it is heard. */
	while (atomic_load(&fs->looping)) {
		pthread_kill(fs->main, SIGUSR1);
		cancel_sleep(NULL, clock_mono() + 20 * NS_PER_MS);
	}
}

void fs_finish(struct fs *fs)
{
	calls_stop(fs);
	feed_end(fs->config.feed);
	calls_wait(fs);
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	if (fs->mounted)
		fuse_session_unmount(fs->session);
	notifier_free(fs->notifier);
	if (fs->session)
		fuse_session_destroy(fs->session);
	calls_fini(fs);
	free(fs);
}
