/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_LAYERS_H
#define LAYER_LAYERS_H

#include "kv/kv.h"

/* What stands beside the server: the environment, and defaults. Not changed once it is made, so that
 * anybody may read it, and what it yields holds as long as it does. Paths are those of the engine. */
struct layers;

enum layer_mode { LAYER_OFF, LAYER_FALLBACK, LAYER_OVERRIDE, LAYER_ONLY };
enum layer_origin { LAYER_NONE, LAYER_ENV, LAYER_DEFAULT };

struct layers_config {
	enum layer_mode mode;
	const char *env_file, *env_map, *defaults; /* NULL where there is none */
};

/* Reads the files, and takes the environment (layer/variables.h): before the first fork, and after
 * all that reads variables for itself. *out is NULL where there is nothing to stand beside the server.
 * 0 or -errno with a sentence. */
int layers_new(const struct layers_config *config, struct layers **out, struct err *err);
void layers_free(struct layers *l);

/* The path in the engine that is SOURCE: before the functions below. 0 or -ENOMEM. */
int layers_set_root(struct layers *l, const char *prefix);

/* The field of that name: where it is from, and what it holds; its name is the caller's. NULL layers
 * have nothing. */
enum layer_origin layers_field(const struct layers *l, const char *path, const char *name,
			       size_t len, struct kv_field *out);

/* Whether the environment holds it, and comes before the server; `listed`: by a row of the map. */
bool layers_first(const struct layers *l, const char *path, const char *name, size_t len,
		  bool *listed);

/* Whether there is a directory of that path: there is something in it or below it. */
bool layers_directory(const struct layers *l, const char *path);

/* What was last laid over what, so that it is made once: all zero, then for layer_memo_fini(). */
struct layer_memo {
	struct object *base, *shown;
};
void layer_memo_fini(struct layer_memo *m);

/* The version with the rows of map and defaults for its path; `base` itself where they add nothing.
 * Takes `base`; a reference of the caller's, NULL: no memory. */
struct kv_version *layers_version(const struct layers *l, const char *path, struct kv_version *base,
				  struct layer_memo *m);

/* The same of a folder's entries. What is here alone has the kind LAYER_ENTRY, and what the
 * environment says to be a field before the server is asked is left out. */
enum { LAYER_ENTRY = 64 };
struct kv_list *layers_list(const struct layers *l, const char *path, struct kv_list *base,
			    struct layer_memo *m);

/* Puts before the server's sentence what was looked for here. */
void layers_explain(const struct layers *l, const char *path, const char *name, size_t len,
		    struct err *err);

#endif
