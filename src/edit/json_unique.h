/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_JSON_UNIQUE_H
#define EDIT_JSON_UNIQUE_H

#include "base/json.h"

/* Whether each name stands once in its object, at any depth. `tree` is what json_parse() made of
 * `text`. 0; -EINVAL with the place of a name's second coming in `where`; or -ENOMEM. */
int json_check_unique(const cJSON *tree, const char *text, size_t len, struct json_where *where);

#endif
