// SPDX-License-Identifier: Apache-2.0
/* The directories that hooks are for are there from the start, whoever asks for them. */

#include "watch/hooked.h"

#include "conf/on_change.h"
#include "tree/watched.h"

#include <string.h>

/* What a hook is for is looked at from the start: its secret, or the folder in which they may be. */
void hooked_hold(struct tree *t, const struct on_change *hooks, const char *label)
{
	for (const struct on_change *h = hooks; h; h = h->next) {
		const char *path = h->pattern;
		size_t own = strlen(label), len;

		if (!strncmp(path, label, own) && path[own] == '/')
			path += own + 1;
		len = strcspn(path, "*?[\\");
		while (path[len] && len && path[len - 1] != '/')
			len--;
		while (len && path[len - 1] == '/')
			len--;
		watched_hold(t, path, len);
	}
}
