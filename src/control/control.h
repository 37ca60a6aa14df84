/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "node/node_type.h"

/* ".vault", which stands in every directory: for tree_config.control. */
extern const struct tree_control control_tree;

#endif
