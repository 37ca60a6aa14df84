/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATCH_HOOKED_H
#define WATCH_HOOKED_H

struct tree;
struct on_change;

/* Makes the secrets that the hooks are for, or the folders in which they may be, count for the life of
 * the mount. `label`: of the engine. */
void hooked_hold(struct tree *t, const struct on_change *hooks, const char *label);

#endif
