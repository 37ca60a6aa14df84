// SPDX-License-Identifier: Apache-2.0
/* SRV records: the best priority, by weight among equals; and answers that are cut short or are none. */

#include "unit_support.h"

#include "http/srv.h"

#include <string.h>

TestSuite(srv, .fini = support_fini, .timeout = 60);

/* An answer with three records: 10/1 to a:1, 10/3 to b:2, 20/9 to c:3. */
static const unsigned char answer[] = "\x12\x34\x81\x80\0\1\0\3\0\0\0\0"
				      "\5_http\4_tcp\1x\0\0\x21\0\1"
				      "\xc0\x0c\0\x21\0\1\0\0\0\1\0\x09\0\x14\0\x09\0\x03\1c\0"
				      "\xc0\x0c\0\x21\0\1\0\0\0\1\0\x09\0\x0a\0\x01\0\x01\1a\0"
				      "\xc0\x0c\0\x21\0\1\0\0\0\1\0\x09\0\x0a\0\x03\0\x02\1b\0";

Test(srv, the_best_priority_by_weight)
{
	unsigned hits[4] = {0};

	for (uint32_t dice = 0; dice < 600; dice++) {
		struct srv_target t;

		cr_assert(srv_read(answer, sizeof(answer) - 1, dice, &t));
		cr_assert_lt(t.port, 3, "%s:%u", t.host, t.port);
		cr_assert_str_eq(t.host, t.port == 1 ? "a" : "b");
		hits[t.port]++;
	}
	cr_assert_eq(hits[1], 200);
	cr_assert_eq(hits[2], 400);
}

/* Each answer has its own exact heap block, so that a sanitizer sees reads beyond its end. */
Test(srv, what_is_cut_short_is_no_answer)
{
	for (size_t len = 0; len < sizeof(answer) - 1; len++) {
		unsigned char *cut = malloc(len + !len);
		struct srv_target t;

		memcpy(cut, answer, len);
		cr_assert_not(srv_read(cut, len, 0, &t), "%zu", len);
		free(cut);
	}
}

Test(srv, changed_bytes_do_no_harm)
{
	for (size_t i = 0; i < sizeof(answer) - 1; i++)
		for (unsigned b = 0; b < 256; b += 5) {
			unsigned char *changed = malloc(sizeof(answer) - 1);
			struct srv_target t = {0};

			memcpy(changed, answer, sizeof(answer) - 1);
			changed[i] = (unsigned char)b;
			if (srv_read(changed, sizeof(answer) - 1, b, &t))
				cr_assert(t.host[0] && t.port);
			free(changed);
		}
}
