// SPDX-License-Identifier: Apache-2.0
/* Floors: an answer that is older than what was read or written is not used; a leader that says so again
 * is believed, but not within a moment of a write; listings have what was written a moment ago. */

#include "unit_support.h"

#include "base/clock.h"
#include "kv/kv_floors.h"

TestSuite(kv_floors, .init = support_init, .fini = support_fini, .timeout = 120);

static struct floors *floors;

static void begin(void)
{
	floors = floors_new(1);
}

static void end(void)
{
	floors_free(floors);
}

static struct kv_version *version(enum kv_state state, int64_t number, int64_t created)
{
	struct kv_version *v = kv_version_empty(state, number);

	v->created = created;
	return v;
}

static bool is_old(enum kv_state state, int64_t number, int64_t created, bool certain)
{
	_cleanup_object_ struct kv_version *v = version(state, number, created);

	return floors_is_old(floors, "a/s", v, clock_mono(), certain);
}

static void wrote(int64_t number, int64_t created)
{
	_cleanup_object_ struct kv_version *v = version(KV_LIVE, number, created);

	floors_wrote(floors, "a/s", v);
}

Test(kv_floors, what_was_seen_is_not_gone_back_behind, .init = begin, .fini = end)
{
	cr_assert(!is_old(KV_LIVE, 5, 50, false));
	cr_assert(!is_old(KV_LIVE, 5, 50, false));
	cr_assert(is_old(KV_LIVE, 4, 40, false));
	cr_assert(is_old(KV_ABSENT, 0, 0, false));
	cr_assert(!is_old(KV_LIVE, 6, 60, false));
	cr_assert(is_old(KV_LIVE, 5, 50, false));
}

Test(kv_floors, a_node_whose_clock_is_behind_is_believed_by_its_number, .init = begin, .fini = end)
{
	cr_assert(!is_old(KV_LIVE, 5, 50, false));
	cr_assert(!is_old(KV_LIVE, 6, 20, false));
	cr_assert(is_old(KV_LIVE, 5, 50, false), "however late it was made");
}

Test(kv_floors, the_leader_may_take_back_what_was_only_seen, .init = begin, .fini = end)
{
	_cleanup_object_ struct kv_version *before = version(KV_LIVE, 5, 50);
	_cleanup_object_ struct kv_version *after = version(KV_LIVE, 3, 30);

	cr_assert(!floors_is_old(floors, "a/s", before, clock_mono(), false));
	cr_assert(floors_is_old(floors, "a/s", after, clock_mono(), false));
	cr_assert(!floors_is_old(floors, "a/s", after, clock_mono(), true));
	cr_assert_gt(after->era, before->era, "caches take it for newer");
	cr_assert(!is_old(KV_LIVE, 3, 30, false));
	cr_assert(!is_old(KV_LIVE, 4, 70, false));
}

Test(kv_floors, an_answer_that_set_out_before_is_never_taken_for_a_step_back, .init = begin,
     .fini = end)
{
	_cleanup_object_ struct kv_version *old = version(KV_LIVE, 3, 30);
	uint64_t begun = clock_mono();

	cr_assert(!is_old(KV_LIVE, 5, 50, false));
	cr_assert(floors_is_old(floors, "a/s", old, begun, true));
}

Test(kv_floors, our_own_write_is_not_taken_back_at_once, .init = begin, .fini = end)
{
	wrote(5, 50);
	cr_assert(is_old(KV_LIVE, 4, 40, true));
	cr_assert(is_old(KV_ABSENT, 0, 0, true));
	cr_assert(!is_old(KV_LIVE, 5, 50, false));
}

Test(kv_floors, what_we_deleted_and_purged_does_not_come_back, .init = begin, .fini = end)
{
	wrote(5, 50);
	floors_changed(floors, "a/s", 5, KV_DELETED);
	cr_assert(is_old(KV_LIVE, 5, 50, false));
	cr_assert(!is_old(KV_DELETED, 5, 50, false));
	floors_purged(floors, "a/s");
	cr_assert(is_old(KV_DELETED, 5, 50, false));
	cr_assert(!is_old(KV_ABSENT, 0, 0, false));
	cr_assert(!is_old(KV_LIVE, 1, 90, false), "made anew");
}

Test(kv_floors, what_others_did_to_our_version_is_no_older_answer, .init = begin, .fini = end)
{
	wrote(5, 50);
	cr_assert(!is_old(KV_DELETED, 5, 50, false), "deleted by others after our write");
	wrote(6, 60);
	floors_changed(floors, "a/s", 6, KV_DELETED);
	cr_assert(!is_old(KV_DESTROYED, 6, 60, false));
	wrote(7, 70);
	floors_changed(floors, "a/s", 7, KV_DELETED);
	floors_changed(floors, "a/s", 7, KV_LIVE);
	cr_assert(is_old(KV_DELETED, 7, 70, false), "that was before we undeleted it");
	cr_assert(!is_old(KV_DESTROYED, 7, 70, false));
	floors_changed(floors, "a/s", 7, KV_DESTROYED);
	cr_assert(is_old(KV_LIVE, 7, 70, false));
	cr_assert(is_old(KV_DELETED, 7, 70, false));
}

Test(kv_floors, a_refused_write_tells_that_its_base_is_old, .init = begin, .fini = end)
{
	cr_assert(!is_old(KV_LIVE, 5, 50, false));
	floors_refuted(floors, "a/s", 5);
	cr_assert(is_old(KV_LIVE, 5, 50, false));
	cr_assert(!is_old(KV_LIVE, 5, 50, true), "the leader knows better than who refused");
	floors_refuted(floors, "a/s", 5);
	cr_assert(!is_old(KV_LIVE, 6, 60, false));
}

Test(kv_floors, a_listing_has_what_was_written_a_moment_ago, .init = begin, .fini = end)
{
	struct kv_list *root = NULL, *folder = NULL;

	wrote(1, 10);
	cr_assert_eq(kv_list_parse(NULL, &root), 0);
	cr_assert_eq(kv_list_parse(NULL, &folder), 0);
	cr_assert_eq(floors_amend(floors, "", false, &root), 0);
	cr_assert_eq(floors_amend(floors, "a", false, &folder), 0);
	cr_assert_eq(kv_list_find(root, "a"), KV_ENTRY_FOLDER);
	cr_assert_eq(kv_list_find(folder, "s"), KV_ENTRY_SECRET);
	floors_purged(floors, "a/s");
	cr_assert_eq(floors_amend(floors, "a", false, &folder), 0);
	cr_assert_eq(folder->count, 0);
	object_put(root);
	object_put(folder);
}
