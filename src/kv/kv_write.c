// SPDX-License-Identifier: Apache-2.0
/* The one way to a new version, from any caller. It compensates for two things that servers do to
 * values:
 *
 *  - A number is kept as a double: 1.10 would come back as 1.1, and twenty digits as others. Such a
 *    number is refused. When a file's bytes become a value, it has become a string before.
 *  - A string cannot hold bytes: they are kept as base64, and a mark in the metadata distinguishes
 *    that from text. The mark is set before the value is written, since without it the value would be
 *    read as text. It is removed before a text is written that it would have decoded. If that write
 *    is refused, the old value needs its mark again. */

#include "kv/kv_write.h"

#include "base/secmem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_ROOM 400 /* the longest double without an exponent has 21 digits before the point */

/* The fewest digits that yield this double, of "d.ddde+XX", and the exponent; returns their
 * number. */
static size_t shortest(double d, char digits[20], int *exponent)
{
	char text[40] = "";
	size_t n = 0;

	for (int more = 0; more < 17; more++) {
		snprintf(text, sizeof(text), "%.*e", more, d);
		if (strtod(text, NULL) == d)
			break;
	}
	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	*exponent = atoi(strchr(text, 'e') + 1);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = '\0';
	return n;
}

static void print_exponent(const char *digits, size_t n, int exponent, char *to)
{
	*to++ = digits[0];
	if (n > 1)
		to += sprintf(to, ".%s", digits + 1);
	sprintf(to, "e%+d", exponent);
}

static void print_plain(const char *digits, size_t n, int exponent, char *to)
{
	if (exponent < 0) {
		to = stpcpy(to, "0.");
		for (int i = -1; i > exponent; i--)
			*to++ = '0';
		strcpy(to, digits);
		return;
	}
	for (int i = 0; i <= exponent; i++)
		*to++ = (size_t)i < n ? digits[i] : '0';
	if (n > (size_t)exponent + 1)
		sprintf(to, ".%s", digits + exponent + 1);
	else
		*to = '\0';
}

bool kv_number_kept(const char *text, size_t len)
{
	char copy[NUMBER_ROOM], again[NUMBER_ROOM], digits[20], *to = again;
	int exponent;
	size_t n;
	double d;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	d = strtod(copy, NULL);
	if (!isfinite(d))
		return false;
	if (signbit(d))
		*to++ = '-';
	d = fabs(d);
	n = shortest(d, digits, &exponent);
	if (d != 0 && (d < 1e-6 || d >= 1e21))
		print_exponent(digits, n, exponent, to);
	else
		print_plain(digits, n, exponent, to);
	return strcmp(again, copy) == 0;
}

/* The end of the string that opens at p. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p + 1;
}

/* The first number that would change, with its length; NULL if there is none. The text is valid
 * JSON. */
static const char *find_lost(const char *p, const char *end, size_t *len)
{
	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			*len = strspn(p, "+-.0123456789eE");
			if (!kv_number_kept(p, *len))
				return p;
			p += *len;
		} else {
			p++;
		}
	}
	return NULL;
}

bool kv_numbers_kept(const char *json, size_t len)
{
	size_t n;

	return find_lost(json, json + len, &n) == NULL;
}

static bool is_same(const struct kv_version *onto, const struct kv_field *f)
{
	const struct kv_field *old = kv_version_field(onto, f->name, f->name_len);

	return kv_field_equal(old, f) && old->binary == f->binary;
}

int kv_write_check(struct kv *kv, const char *path, const struct kv_version *onto,
		   const struct kv_version *next, struct err *err)
{
	unsigned traits = kv_traits(kv, path);

	for (size_t i = 0; i < next->count; i++) {
		const struct kv_field *f = &next->fields[i];
		size_t len;

		if (f->binary && (traits & KV_FLAT))
			return err_set(err, EILSEQ,
				       "the field %s is no text, and an engine of version 1 has no "
				       "metadata: it cannot mark such a value",
				       f->name);
		if (f->type == KV_STRING || !(traits & KV_FLOATS) || is_same(onto, f))
			continue;
		if (find_lost(f->text, f->text + f->len, &len))
			return err_set(err, EINVAL,
				       "a number in the field %s would come back as another, since "
				       "the server keeps 64-bit floating point (1.10 becomes 1.1): "
				       "write it as a string",
				       f->name);
	}
	return 0;
}

/* The present marks. A live version comes with them; those of a secret that has none, or that we
 * may not read, are in its metadata. */
static struct kv_version *marks_now(const struct kv_writing *w, struct limit limit)
{
	_cleanup_json_ cJSON *metadata = NULL;

	if (w->onto->state == KV_LIVE || (kv_traits(w->kv, w->path) & KV_FLAT) ||
	    !w->kv->ops->metadata)
		return object_ref((struct kv_version *)w->onto);
	if (w->kv->ops->metadata(w->kv, w->path, limit, &metadata, NULL) < 0)
		return object_ref((struct kv_version *)w->onto);
	return kv_version_marks(metadata);
}

/* Whether the mark of a text's field must be removed. Fetches `known` when it matters. */
static int is_misled(const struct kv_writing *w, const struct kv_field *f,
		     struct kv_version **known, struct limit limit)
{
	if (!kv_mark_misleads(f->text, f->len))
		return 0;
	if (!*known)
		*known = marks_now(w, limit);
	return *known ? kv_version_marked(*known, f->name, f->name_len) : -ENOMEM;
}

static int list_marks(const struct kv_writing *w, struct limit limit, struct kv_remark *to,
		      size_t *count)
{
	_cleanup_object_ struct kv_version *known = NULL;

	for (size_t i = 0; i < w->next->count; i++) {
		const struct kv_field *f = &w->next->fields[i];
		int r;

		if (f->type != KV_STRING || is_same(w->onto, f))
			continue;
		r = f->binary ? !kv_version_marked(w->onto, f->name, f->name_len)
			      : is_misled(w, f, &known, limit);
		if (r < 0)
			return r;
		if (r)
			to[(*count)++] =
				(struct kv_remark){kv_mark_of(f->name, f->name_len), f->binary};
	}
	return 0;
}

/* Sets removed marks again. One too many does no harm until something is written. */
static void restore_marks(const struct kv_writing *w, struct kv_remark *marks, size_t count,
			  struct limit limit)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!marks[i].set)
			marks[n++] = (struct kv_remark){marks[i].mark, true};
	if (n)
		w->kv->ops->mark(w->kv, w->path, marks, n, w->onto->number, limit, NULL);
}

static int send_patch(const struct kv_writing *w, struct limit limit, struct err *err)
{
	const struct kv_ops *ops = w->kv->ops;
	int r = -EOPNOTSUPP;

	if (w->patch && ops->patch)
		r = ops->patch(w->kv, w->path, w->patch, w->patch_count, w->next, w->cas, limit,
			       err);
	if (r == -ENOENT) /* it was deleted meanwhile, which check-and-set does not notice */
		return err_set(err, EBUSY, "the secret was deleted meanwhile");
	return r;
}

/* Whether the server has refused this request, so that another may be tried. */
static bool is_barred(int r)
{
	return r == -EOPNOTSUPP || r == -EACCES;
}

static int send(const struct kv_writing *w, struct limit limit, struct err *err)
{
	struct err refusal = {0};
	int r = w->patch_last ? -EOPNOTSUPP : send_patch(w, limit, err), s;

	if (!is_barred(r))
		return r;
	r = w->kv->ops->write(w->kv, w->path, w->next, w->cas, limit, err);
	if (r != -EACCES || !w->patch_last)
		return r;
	s = send_patch(w, limit, &refusal);
	if (is_barred(s))
		return r;
	if (s < 0 && err)
		*err = refusal;
	return s;
}

/* Whether surely nothing was written after this error. */
static bool is_refusal(int r)
{
	return r == -EBUSY || r == -EACCES || r == -EINVAL || r == -EFBIG || r == -E2BIG ||
	       r == -ENAMETOOLONG;
}

int kv_write(const struct kv_writing *w, struct limit limit, struct err *err)
{
	_cleanup_free_ struct kv_remark *marks = calloc(w->next->count + 1, sizeof(*marks));
	size_t count = 0;
	int r = kv_write_check(w->kv, w->path, w->onto, w->next, err);

	if (r < 0)
		return r;
	if (!marks || list_marks(w, limit, marks, &count) < 0)
		return err_set(err, ENOMEM, "no memory for a version");
	if (count)
		r = w->kv->ops->mark(w->kv, w->path, marks, count, w->onto->number, limit, err);
	if (r < 0)
		return r;
	r = send(w, limit, err);
	if (is_refusal(r))
		restore_marks(w, marks, count, limit);
	return r;
}
