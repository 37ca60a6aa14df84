// SPDX-License-Identifier: Apache-2.0
/* Which engine a path belongs to, and its version. We ask the server as the official client does;
 * if the token may not ask, options give the answer. */

#include "kv/kv_engine.h"

#include "kv/kv1.h"
#include "kv/kv2.h"
#include "kv/kv_current.h"
#include "kv/kv_router.h"
#include "vault/path.h"

#include <errno.h>
#include <string.h>

static const char advice[] =
	"set kv_version= to 1 or 2, whichever it is, and engine= where its name has a slash";

/* The part of the path after the engine's name; NULL if it is not in the engine. */
static const char *rest_of(const char *path, const char *mount)
{
	size_t len = strlen(mount);

	if (strncmp(path, mount, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len + (path[len] == '/');
}

static int open_one(struct vault *vault, const char *path, bool firm, struct kv_engine *out,
		    struct err *err)
{
	out->inside = rest_of(path, out->info.path);
	if (!out->inside)
		return err_set(err, EIO, "the server says that %s is in %s", path, out->info.path);
	if (!firm)
		out->kv = kv_current_new(vault, &out->info);
	else if (out->info.version == 1)
		out->kv = kv1_new(vault, out->info.path);
	else
		out->kv = kv2_new(vault, out->info.path);
	return out->kv ? 0 : err_set(err, ENOMEM, "no memory");
}

static int open_unasked(struct vault *vault, const char *path, const struct kv_choice *choice,
			struct kv_engine *out, struct err *err)
{
	size_t len = choice->mount ? strlen(choice->mount) : strcspn(path, "/");

	if (!*path)
		return err_set(err, EINVAL,
			       "kv_version= is of one engine, and / is all of them: name one");
	if (choice->mount && !rest_of(path, choice->mount))
		return err_set(err, EINVAL, "%s is not in engine=%s", path, choice->mount);
	if (len >= sizeof(out->info.path))
		return err_set(err, ENAMETOOLONG, "the name of the engine is too long");
	memcpy(out->info.path, path, len);
	out->info.path[len] = '\0';
	strcpy(out->info.type, "kv");
	out->info.version = choice->version;
	return open_one(vault, path, choice->firm, out, err);
}

static int open_all(struct vault *vault, const char *path, const struct kv_choice *choice,
		    struct limit limit, struct kv_engine *out, struct err *err)
{
	int r = kv_router_new(vault, choice->ttl, limit, &out->kv, err);

	out->info = (struct mount_info){0};
	out->inside = path;
	if (r == -EACCES)
		err_prefix(err, "name one engine, and %s", advice);
	return r;
}

/* Opens all engines for "team" if there is an engine "team/a/kv". On failure `err` keeps the
 * earlier reason. */
static int open_above(struct vault *vault, const char *path, const struct kv_choice *choice,
		      struct limit limit, struct kv_engine *out)
{
	struct err unsaid = {0};
	int r = open_all(vault, path, choice, limit, out, &unsaid);

	if (r == 0 && kv_router_reaches(out->kv, path))
		return 0;
	if (r == 0)
		kv_free(steal(out->kv));
	return -ENOENT;
}

int kv_engine_open(struct vault *vault, const char *path, const struct kv_choice *choice,
		   struct limit limit, struct kv_engine *out, struct err *err)
{
	int r = path_check(path, err);

	*out = (struct kv_engine){0};
	if (r < 0)
		return r;
	if (choice->version)
		return open_unasked(vault, path, choice, out, err);
	if (choice->mount)
		return err_set(err, EINVAL, "engine= needs kv_version=1 or kv_version=2");
	if (!*path)
		return open_all(vault, path, choice, limit, out, err);
	r = mounts_find(vault, path, limit, &out->info, err);
	if (r == -EACCES)
		err_prefix(err, "%s", advice);
	if (r == -ENOENT)
		return open_above(vault, path, choice, limit, out);
	if (r < 0)
		return r;
	if (!out->info.version)
		return err_set(err, EOPNOTSUPP,
			       "%s is an engine of type %s: only key-value engines can be used",
			       out->info.path, out->info.type);
	return open_one(vault, path, false, out, err);
}
