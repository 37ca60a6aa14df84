// SPDX-License-Identifier: Apache-2.0
/* The loop: a few threads that take requests from the kernel and answer them, or hand them on.
 *
 * It is libfuse's own, fuse_session_loop_mt(), but for one thing: a request stands in a buffer of its
 * thread until the next one overwrites its beginning, and with it what somebody has written to a file.
 * Here it is wiped as soon as it has been looked at. */

#include "config.h"

#include "fs/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#define WORKERS	  4 /* they answer from memory; more would only disturb each other */
#define KICK_TIME (20 * NS_PER_MS)

struct loop {
	struct fuse_session *session;
	sem_t ended;	    /* a worker has */
	atomic_int working; /* how many have not */
	atomic_int error;   /* of the first that had one: -errno */
};

static void on_kick(int signal)
{
}

static void take_requests(struct loop *l, struct fuse_buf *buf)
{
	while (!fuse_session_exited(l->session)) {
		int r = fuse_session_receive_buf(l->session, buf), none = 0;

		if (r == -EINTR)
			continue;
		if (r < 0)
			atomic_compare_exchange_strong(&l->error, &none, r);
		if (r <= 0)
			break; /* it is unmounted */
		fuse_session_process_buf(l->session, buf);
		explicit_bzero(buf->mem, (size_t)r);
	}
}

static void *work(void *arg)
{
	struct fuse_buf buf = {0};
	struct loop *l = arg;

	take_requests(l, &buf);
	fuse_session_exit(l->session);
	free(buf.mem);
	atomic_fetch_sub(&l->working, 1);
	sem_post(&l->ended);
	return NULL;
}

/* Those that wait for a request sleep in the kernel, from which only a signal wakes them; one that comes
 * just before is lost, so it is said until it is heard. */
static void end_workers(struct loop *l, const pthread_t *workers, int count)
{
	while (atomic_load(&l->working)) {
		for (int i = 0; i < count; i++)
			pthread_kill(workers[i], SIGUSR1);
		cancel_sleep(NULL, clock_mono() + KICK_TIME);
	}
	for (int i = 0; i < count; i++)
		pthread_join(workers[i], NULL);
}

static int run(struct loop *l)
{
	pthread_t workers[WORKERS];
	int count = 0, r = 0;

	atomic_store(&l->working, WORKERS);
	while (r == 0 && count < WORKERS) {
		r = -pthread_create(&workers[count], NULL, work, l);
		count += r == 0;
	}
	atomic_fetch_sub(&l->working, WORKERS - count);
	if (r < 0)
		fuse_session_exit(l->session);
	while (!fuse_session_exited(l->session))
		if (sem_wait(&l->ended) < 0)
			continue; /* kicked by fs_stop() */
	end_workers(l, workers, count);
	fuse_session_reset(l->session);
	return r < 0 ? r : atomic_load(&l->error);
}

#ifdef HAVE_FUSE_IO_URING
/* Its queues are libfuse's own matter. */
static int run_uring(struct fs *fs)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, WORKERS);
	fuse_loop_cfg_set_idle_threads(config, WORKERS);
	r = fuse_session_loop_mt(fs->session, config);
	fuse_loop_cfg_destroy(config);
	return r;
}
#endif

int fs_loop(struct fs *fs)
{
	/* Without SA_RESTART: it is to interrupt. */
	struct sigaction kick = {.sa_handler = on_kick};
	struct loop l = {.session = fs->session};
	sigset_t set;
	int r;

	sigaction(SIGUSR1, &kick, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sem_init(&l.ended, 0, 0);
	fs->main = pthread_self();
	atomic_store(&fs->looping, true);
#ifdef HAVE_FUSE_IO_URING
	if (fs->config.io_uring)
		r = run_uring(fs);
	else
#endif
		r = run(&l);
	atomic_store(&fs->looping, false);
	sem_destroy(&l.ended);
	return r < 0 ? r : 0;
}
