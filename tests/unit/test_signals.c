// SPDX-License-Identifier: Apache-2.0
/* Signals as calls: SIGHUP each time, SIGTERM or SIGINT once, and none after the end. */

#include "unit_support.h"

#include "host/signals.h"

#include <signal.h>

TestSuite(signals, .fini = support_fini, .timeout = 120);

static struct tally terminated = TALLY_INIT, reloaded = TALLY_INIT;

static void terminate(void *arg)
{
	tally_add(&terminated);
}

static void reload(void *arg)
{
	tally_add(&reloaded);
}

static void start(struct signals *s)
{
	struct err err = {0};

	*s = (struct signals){.terminate = terminate, .reload = reload};
	signals_block();
	cr_assert_eq(signals_start(s, &err), 0, "%s", err_text(&err));
}

Test(signals, hangups_reload_each_time)
{
	struct signals s;

	start(&s);
	for (int i = 1; i <= 3; i++) {
		kill(getpid(), SIGHUP);
		cr_assert(tally_reaches(&reloaded, i));
	}
	signals_stop(&s);
	cr_assert_eq(tally_count(&terminated), 0);
}

Test(signals, the_first_request_to_end_counts_and_no_other)
{
	static const int signals[] = {SIGTERM, SIGINT};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct signals s;
		int before = tally_count(&terminated);

		start(&s);
		kill(getpid(), signals[i]);
		cr_assert(tally_reaches(&terminated, before + 1));
		kill(getpid(), SIGTERM);
		kill(getpid(), SIGHUP);
		cr_assert(tally_reaches(&reloaded, (int)i + 1));
		signals_stop(&s);
		cr_assert_eq(tally_count(&terminated), before + 1);
	}
}

Test(signals, none_is_handled_after_the_end)
{
	struct signals s;

	start(&s);
	signals_stop(&s);
	kill(getpid(), SIGHUP);
	support_sleep(10 * NS_PER_MS);
	cr_assert_eq(tally_count(&reloaded), 0);
}
