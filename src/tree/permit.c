// SPDX-License-Identifier: Apache-2.0
/* Permissions: what a caller may do with a node by owner, group and mode, as on any file system. A node
 * that cannot be changed is refused first, to root too. The token's rights are another question, which
 * the server answers. */

#include "tree/permit.h"

#include "host/process.h"
#include "tree/dir.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

int permit_open_mask(int flags)
{
	/* The fourth is open(2)'s "to check permissions alone". */
	static const int masks[O_ACCMODE + 1] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? W_OK : 0);
}

static bool is_unchangeable(const struct tree *t, struct node *n)
{
	return t->config.read_only || !n->type->writable ||
	       (node_is_dir(n) && (dir_traits(t, dir_of(n)) & KV_OUTSIDE));
}

/* Groups may be hidden from us, and capabilities hold in some user namespace. Where the kernel has
 * checked both before it asked us, it knows better. */
static bool is_let_by_kernel(const struct tree *t, pid_t pid, int mask)
{
	uint64_t any = 1ull << CAP_DAC_OVERRIDE;

	if (!t->config.shared)
		return false;
	if (!(mask & W_OK))
		any |= 1ull << CAP_DAC_READ_SEARCH;
	return !process_is_seen(pid) || (process_capabilities(pid) & any);
}

bool permit_by_mode(mode_t mode, bool owner, bool member, int mask)
{
	mode_t bits = owner ? mode >> 6 : member ? mode >> 3 : mode;

	return ((mode_t)mask & ~bits & 7) == 0;
}

static int judge(const struct tree *t, const struct stat *attr, const struct caller *caller,
		 int mask)
{
	bool owner = caller->uid == attr->st_uid, member;

	if (caller->uid == 0)
		return 0;
	member = !owner &&
		 (caller->gid == attr->st_gid || process_in_group(caller->pid, attr->st_gid));
	if (permit_by_mode(attr->st_mode, owner, member, mask) ||
	    is_let_by_kernel(t, caller->pid, mask))
		return 0;
	return -EACCES;
}

int permit_refused(struct err *err, int r)
{
	return err_set(err, -r, r == -EROFS ? "it is read-only" : "not allowed by owner and mode");
}

int tree_permit_locked(struct tree *t, struct node *node, const struct caller *caller, int mask)
{
	LOCK_HELD(&t->lock);
	struct stat attr;

	if ((mask & W_OK) && is_unchangeable(t, node))
		return -EROFS;
	node_stat_locked(t, node, &attr);
	return judge(t, &attr, caller, mask);
}

int tree_permit(struct tree *t, struct node *node, const struct caller *caller, int mask)
{
	struct stat attr;

	if ((mask & W_OK) && is_unchangeable(t, node))
		return -EROFS;
	lock_acquire(&t->lock);
	node_stat_locked(t, node, &attr);
	lock_release(&t->lock);
	return judge(t, &attr, caller, mask); /* reads /proc: not with the lock */
}
