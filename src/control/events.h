/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include "node/node_type.h"

/* As a node_type's open(). */
int events_open(struct tree *t, const struct caller *caller, struct feed_reader **out,
		struct err *err);

#endif
