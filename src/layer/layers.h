/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_LAYERS_H
#define LAYER_LAYERS_H

#include "kv/kv.h"

/* The layers beside the server: the environment, and defaults. Immutable once made, so any thread
 * may read it, and results live as long as it does. Paths are those of the engine. */
struct layers;

enum layer_mode { LAYER_OFF, LAYER_FALLBACK, LAYER_OVERRIDE, LAYER_ONLY };
enum layer_origin { LAYER_NONE, LAYER_ENV, LAYER_DEFAULT };

struct layers_config {
	enum layer_mode mode;
	const char *env_file, *env_map, *defaults; /* NULL: none */
};

/* Reads the files, and takes the environment (layer/variables.h). Call it before the first fork,
 * and after everything that reads variables for itself. *out is NULL if there are no layers. 0 or
 * -errno with a sentence. */
int layers_new(const struct layers_config *config, struct layers **out, struct err *err);
void layers_free(struct layers *l);

/* Sets the path of SOURCE in the engine; call it before the functions below. 0 or -ENOMEM. */
int layers_set_root(struct layers *l, const char *prefix);

/* The field of that name: its origin and content; its name is the caller's string. NULL layers have
 * nothing. */
enum layer_origin layers_field(const struct layers *l, const char *path, const char *name,
			       size_t len, struct kv_field *out);

/* Whether the environment has the field and goes before the server; `listed`: a row of the map
 * names it. */
bool layers_first(const struct layers *l, const char *path, const char *name, size_t len,
		  bool *listed);

/* Whether there is a directory of that path: something is in it or below it. */
bool layers_directory(const struct layers *l, const char *path);

/* Caches the last result, so that it is computed once. All zero at first; layer_memo_fini() at the
 * end. */
struct layer_memo {
	struct object *base, *shown;
};
void layer_memo_fini(struct layer_memo *m);

/* Applies the rows of map and defaults to a version; returns `base` itself if they add nothing.
 * Takes `base`; the caller puts the result. NULL: no memory. */
struct kv_version *layers_version(const struct layers *l, const char *path, struct kv_version *base,
				  struct layer_memo *m);

/* Applies the layers to a folder's entries. Entries that exist only here have the kind LAYER_ENTRY;
 * fields that the environment overrides are left out. Takes `base`; the caller puts the result. */
enum { LAYER_ENTRY = 64 };
struct kv_list *layers_list(const struct layers *l, const char *path, struct kv_list *base,
			    struct layer_memo *m);

/* Puts before the server's sentence what was looked for in the environment. */
void layers_explain(const struct layers *l, const char *path, const char *name, size_t len,
		    struct err *err);

#endif
