// SPDX-License-Identifier: Apache-2.0
/* The directories that hooks are for are there from the start, whoever asks for them. */

#include "watch/hooked.h"

#include "conf/on_change.h"
#include "node/name.h"
#include "tree/dir.h"

#include <string.h>

/* The directory of that path in the engine, which need not be there; NULL where it is outside of the
 * mount. With a use, for the life of the mount. */
static struct dir *hold_locked(struct tree *t, const char *path, size_t len)
{
	const char *prefix = t->config.prefix;
	size_t skip = strlen(prefix);
	struct dir *d = dir_of(t->root);

	if (len < skip || strncmp(path, prefix, skip) != 0 ||
	    (skip && len > skip && path[skip] != '/'))
		return NULL;
	for (const char *at = path + skip, *end = path + len; d && at < end;) {
		char component[NAME_BYTES_MAX + 1], name[NAME_BYTES_MAX + 1];
		size_t n = strcspn(at, "/");

		n = at + n > end ? (size_t)(end - at) : n;
		if (n && n <= NAME_BYTES_MAX) {
			memcpy(component, at, n);
			component[n] = '\0';
			d = name_escape(component, n, name) < 0
				    ? NULL
				    : dir_child_locked(t, &d->node, name, component);
		}
		at += n + 1;
	}
	return d;
}

/* What a hook is for is looked at from the start: its secret, or the folder in which they may be. */
void hooked_hold(struct tree *t, const struct on_change *hooks, const char *label)
{
	LOCK_SCOPE(&t->lock);

	for (const struct on_change *h = hooks; h; h = h->next) {
		const char *path = h->pattern;
		size_t own = strlen(label), len;
		struct dir *d;

		if (!strncmp(path, label, own) && path[own] == '/')
			path += own + 1;
		len = strcspn(path, "*?[\\");
		while (path[len] && len && path[len - 1] != '/')
			len--;
		while (len && path[len - 1] == '/')
			len--;
		d = hold_locked(t, path, len);
		if (d)
			d->watch.hooked = d->watch.judged = true;
	}
}
