// SPDX-License-Identifier: Apache-2.0
/* vaultfs rm: deletes the latest version of a secret, so that it can be undeleted, or makes a version
 * without one field. */

#include "cli/help.h"
#include "remote/remote.h"

#include <errno.h>
#include <string.h>

/* The last field goes with the version that holds it, as in a mount. */
static int remove_field(struct remote *r, const struct place *at, const struct kv_version *latest,
			struct err *err)
{
	struct kv_change change = {
		.name = at->field, .name_len = strlen(at->field), .remove = true};
	_cleanup_object_ struct kv_version *next = NULL;

	if (!kv_version_field(latest, at->field, strlen(at->field)))
		return remote_wrong(r, err, "%s has no field %s", at->full, at->field);
	next = kv_version_apply(latest, &change, 1, false);
	if (!next)
		return err_set(err, ENOMEM, "no memory");
	if (next->count == 0)
		return r->kv->ops->delete_version(r->kv, at->path, latest->number, remote_limit(r),
						  err);
	return remote_write(r, at, latest, next, latest->number, err);
}

static int rm(struct remote *r, struct err *err)
{
	_cleanup_place_ struct place at = {0};
	int s = remote_find(r, r->flags.words[0], &at, err);

	for (unsigned i = 1; s == 0; i++) {
		_cleanup_object_ struct kv_version *latest = NULL;

		s = remote_read(r, &at, 0, &latest, err);
		if (s < 0)
			return s;
		if (at.field)
			s = remove_field(r, &at, latest, err);
		else
			s = r->kv->ops->delete_version(r->kv, at.path, latest->number,
						       remote_limit(r), err);
		if (s != -EBUSY)
			return s;
		s = remote_again(r, i)
			    ? 0
			    : err_set(err, EBUSY, "others keep changing %s: nothing was removed",
				      at.full);
	}
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
