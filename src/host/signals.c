// SPDX-License-Identifier: Apache-2.0
/* Signals, waited for instead of handled. */

#include "host/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* Ends the thread. Nobody else sends it. */
#define SIGNAL_END SIGUSR2

static sigset_t our_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGNAL_END);
	return set;
}

void signals_block(void)
{
	sigset_t set = our_set();

	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *signals_main(void *arg)
{
	struct signals *s = arg;
	sigset_t set = our_set();
	bool terminated = false;
	int got;

	while (sigwait(&set, &got) == 0 && got != SIGNAL_END) {
		if (got == SIGHUP) {
			s->reload(s->arg);
		} else if (!terminated) {
			terminated = true;
			s->terminate(s->arg);
		}
	}
	return NULL;
}

int signals_start(struct signals *s, struct err *err)
{
	int r = pthread_create(&s->thread, NULL, signals_main, s);

	return r ? err_set(err, r, "cannot start the signal thread: %s", strerror(r)) : 0;
}

void signals_stop(struct signals *s)
{
	pthread_kill(s->thread, SIGNAL_END);
	pthread_join(s->thread, NULL);
}
