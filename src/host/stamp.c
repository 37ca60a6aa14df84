// SPDX-License-Identifier: Apache-2.0
/* Detects that somebody else has written a file. Polling finds a rename, a mount and a write in
 * place alike, on any file system. */

#include "host/stamp.h"

#include "base/clock.h"

#include <sys/stat.h>

bool stamp_changed(const char *path, struct stamp *seen)
{
	struct stamp before = *seen;
	struct stat st;

	/* An empty file is about to be written. */
	if (stat(path, &st) < 0 || st.st_size == 0)
		return false;
	*seen = (struct stamp){.device = st.st_dev,
			       .inode = st.st_ino,
			       .size = (uint64_t)st.st_size,
			       .changed = (uint64_t)st.st_ctim.tv_sec * NS_PER_SEC +
					  (uint64_t)st.st_ctim.tv_nsec};
	return before.device != seen->device || before.inode != seen->inode ||
	       before.size != seen->size || before.changed != seen->changed;
}
