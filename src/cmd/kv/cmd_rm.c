// SPDX-License-Identifier: Apache-2.0
/* vaultfs rm: deletes the latest version of a secret, so that it can be undeleted, or makes a version
 * without one field. */

#include "cmd/kv/kv_commands.h"

#include "cli/help.h"
#include "remote/remote.h"

#include <errno.h>
#include <string.h>

static int rm(struct remote *r, struct err *err)
{
	_cleanup_object_ struct kv_version *latest = NULL;
	_cleanup_place_ struct place at = {0};
	struct kv_change field = {.remove = true};
	struct secret_change change = {.blind = true, .cas = KV_ANY};
	struct secret_outcome out;
	int s = remote_find(r, r->flags.words[0], &at, err);

	if (s == 0)
		s = remote_read(r, &at, 0, &latest, err);
	if (s < 0)
		return s;
	change.base = latest;
	change.deletes = !at.field;
	if (at.field) {
		field.name = at.field;
		field.name_len = strlen(at.field);
		change.fields = &field;
		change.count = 1;
		if (!kv_version_field(latest, at.field, field.name_len))
			return remote_wrong(r, err, "%s has no field %s", at.full, at.field);
	}
	s = remote_change(r, &at, &change, &out, err);
	object_put(out.made);
	if (out.overtaken)
		return err_set(err, EBUSY, "others keep changing %s: nothing was removed", at.full);
	return s;
}

static int rm_run(int argc, char **argv)
{
	return remote_run(&command_rm, 1, 1, argc, argv, rm);
}

const struct command command_rm = {
	.name = "rm",
	.usage = "[OPTION...] PATH[#FIELD]",
	.summary = "Deletes a secret's latest version, or one field",
	.help = help_remote,
	.brief = true,
	.run = rm_run,
};
