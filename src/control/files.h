/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_FILES_H
#define CONTROL_FILES_H

#include "edit/target.h"

/* The functions in the rows of control.c's table. */

#define DOCUMENT_MAX (32u << 20) /* the most that a request may be (max_request_size) */

/* Makes the content of a file in the ".vault" of `d`: as a node_type's content_locked. */
typedef int control_content(struct tree *t, struct dir *d, const struct ask *ask,
			    struct content *out, struct err *err);
control_content document_locked, data_env_locked, number_locked, metadata_json_locked,
	status_locked, errors_locked, metrics_locked, empty_locked;

/* Whether it is there, where asking for what it holds tells something else: 0, -ENOENT, PARKED; any other
 * error is of a file that is there and cannot be read. */
typedef int control_there(struct tree *t, struct dir *d, const struct ask *ask, struct err *err);
/* A process that has removed data.json does not see it for a while. One that may not read it
 * may still write it. */
control_there document_there_locked;
/* Where there is a version there is metadata. There may be metadata alone: then the folder above lists
 * it. */
control_there metadata_listed_locked;

/* Owner and modes: as a node_type's access_locked. */
typedef void control_access(const struct tree *t, const struct node *n, struct access *a);
/* For what holds values of any field of a secret; */
control_access whole_access_locked;
/* for what changes all of a secret and tells no value of it: who may not write every field may read it,
 * and no more; */
control_access whole_change_access_locked;
/* for orders to the mount: its owner's alone. */
control_access order_access_locked;

/* As a node_type's writes. */
const char *document_writes(const struct node *n, unsigned *any, bool *below);
const char *number_writes(const struct node *n, unsigned *any, bool *below);

extern const struct written document_written, number_written, metadata_written, refresh_written,
	renew_written;

#endif
