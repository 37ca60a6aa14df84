// SPDX-License-Identifier: Apache-2.0
/* vaultfs rollback, undelete, destroy: what is done with old versions. */

#include "cmd/kv/kv_commands.h"

#include "base/visible.h"
#include "cli/help.h"
#include "remote/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSIONS_MAX 256

/* "3", "3,4" */
static int parse_versions(struct remote *r, const char *text, long long *numbers, size_t *count,
			  struct err *err)
{
	while (*text) {
		char number[24] = "";
		size_t len = strcspn(text, ",");

		if (len < sizeof(number))
			memcpy(number, text, len);
		if (*count == VERSIONS_MAX || flags_number(number, &numbers[*count]) < 0 ||
		    !numbers[*count])
			return remote_wrong(r, err, "%s: numbers of versions are wanted", text);
		++*count;
		text += len + (text[len] == ',');
	}
	return 0;
}

static int words_to_versions(struct remote *r, const char *flag, long long *numbers, size_t *count,
			     struct err *err)
{
	int s = flag ? parse_versions(r, flag, numbers, count, err) : 0;

	for (int i = 1; s == 0 && i < r->flags.count; i++)
		s = parse_versions(r, r->flags.words[i], numbers, count, err);
	if (s == 0 && !*count)
		return remote_wrong(r, err, "which version?");
	return s;
}

static int write_again(struct remote *r, const struct place *at, const struct kv_version *old,
		       struct err *err)
{
	struct secret_change change = {.whole = true, .blind = true, .cas = KV_ANY};
	_cleanup_free_ struct kv_change *fields = change_between(NULL, old, &change.count);
	struct secret_outcome out;
	int s;

	if (!fields)
		return err_set(err, ENOMEM, "no memory");
	change.fields = fields;
	s = remote_change(r, at, &change, &out, err);
	if (s == 0)
		visible_print(stdout,
			      "%s: version %" PRId64 " has the content of version %" PRId64 "\n",
			      at->full, out.made->number, old->number);
	object_put(out.made);
	return s;
}

static int rollback(struct remote *r, struct err *err)
{
	_cleanup_object_ struct kv_version *old = NULL;
	_cleanup_place_ struct place at = {0};
	long long numbers[VERSIONS_MAX];
	size_t count = 0;
	int s = words_to_versions(r, r->flags.value[0], numbers, &count, err);

	if (s == 0 && count != 1)
		return remote_wrong(r, err, "one version is wanted");
	if (s == 0)
		s = remote_find_secret(r, r->flags.words[0], &at, err);
	if (s == 0)
		s = remote_read(r, &at, numbers[0], &old, err);
	return s < 0 ? s : write_again(r, &at, old, err);
}

static const struct flag rollback_flags[] = {
	{0, "version", "N", "the same as N"},
	{0},
};

static int rollback_run(int argc, char **argv)
{
	return remote_run(&command_rollback, 1, 2, argc, argv, rollback);
}

const struct command command_rollback = {
	.name = "rollback",
	.usage = "[OPTION...] PATH N",
	.summary = "Makes an old version's content the newest",
	.help = help_remote,
	.flags = rollback_flags,
	.brief = true,
	.run = rollback_run,
};

/* Checks all versions before any of them is changed. */
static int check_there(struct remote *r, const struct place *at, bool destroys,
		       const long long *numbers, size_t count, struct err *err)
{
	_cleanup_json_ cJSON *metadata = NULL;
	struct kv *kv = r->kv;
	int s = kv->ops->metadata(kv, at->path, remote_limit(r), &metadata, err);

	if (s == -ENOENT)
		return err_set(err, ENOENT, "there is no %s", at->full);
	if (s == -EACCES)
		return 0; /* it may still be done */
	for (size_t i = 0; s == 0 && i < count; i++) {
		_cleanup_object_ struct kv_version *v = NULL;

		s = kv_version_from_metadata(metadata, numbers[i], &v);
		if (s == -ENOENT)
			err_set(err, ENOENT, "there is no version %lld of %s", numbers[i],
				at->full);
		if (s == 0 && !destroys && v->state == KV_DESTROYED)
			s = err_set(err, ENOENT, "version %lld of %s is destroyed, for good",
				    numbers[i], at->full);
	}
	return s;
}

/* On a terminal, whoever sits there; elsewhere --yes has to be said. */
static int confirm(struct remote *r, const struct place *at, size_t count, struct err *err)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return remote_wrong(r, err,
				    "what is destroyed is gone for good: --yes says that you mean "
				    "it");
	fprintf(stderr, "Destroy %zu version%s of %s for good? [y/N] ", count,
		count == 1 ? "" : "s", at->full);
	if (!fgets(answer, sizeof(answer), stdin) || (*answer != 'y' && *answer != 'Y'))
		return remote_wrong(r, err, "nothing was destroyed");
	return 0;
}

enum { VERSIONS, YES };

static int change_versions(struct remote *r, bool destroys, struct err *err)
{
	_cleanup_place_ struct place at = {0};
	struct secrets secrets;
	long long numbers[VERSIONS_MAX];
	size_t count = 0;
	int s = words_to_versions(r, r->flags.value[VERSIONS], numbers, &count, err);

	if (s == 0)
		s = remote_find_secret(r, r->flags.words[0], &at, err);
	if (s == 0)
		s = check_there(r, &at, destroys, numbers, count, err);
	if (s == 0 && destroys && !r->flags.value[YES])
		s = confirm(r, &at, count, err);
	secrets = remote_secrets(r, r->kv, r->engine.info.path);
	for (size_t i = 0; s == 0 && i < count; i++)
		s = (destroys ? secrets_destroy : secrets_undelete)(&secrets, at.path, numbers[i],
								    remote_limit(r), err);
	return s;
}

static const struct flag version_flags[] = {
	[VERSIONS] = {0, "versions", "N,...", "the same as N..."},
	[YES] = {'y', "yes", NULL, "destroy without asking"},
	{0},
};
static const struct flag undelete_flags[] = {
	[VERSIONS] = {0, "versions", "N,...", "the same as N..."},
	{0},
};

static int undelete(struct remote *r, struct err *err)
{
	return change_versions(r, false, err);
}

static int destroy(struct remote *r, struct err *err)
{
	return change_versions(r, true, err);
}

static int undelete_run(int argc, char **argv)
{
	return remote_run(&command_undelete, 1, VERSIONS_MAX, argc, argv, undelete);
}

static int destroy_run(int argc, char **argv)
{
	return remote_run(&command_destroy, 1, VERSIONS_MAX, argc, argv, destroy);
}

const struct command command_undelete = {
	.name = "undelete",
	.usage = "[OPTION...] PATH N...",
	.summary = "Brings deleted versions back",
	.help = help_remote,
	.flags = undelete_flags,
	.brief = true,
	.run = undelete_run,
};

const struct command command_destroy = {
	.name = "destroy",
	.usage = "[OPTION...] PATH N...",
	.summary = "Removes the content of versions for good",
	.help = help_remote,
	.flags = version_flags,
	.brief = true,
	.run = destroy_run,
};
