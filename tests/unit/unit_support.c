// SPDX-License-Identifier: Apache-2.0
/* Shared by the files of tests: set-up, files, captured output, threads that wait for each other
 * without guessing how long. */

#include "unit_support.h"

#include "base/cancel.h"
#include "base/log.h"
#include "base/secmem.h"
#include "edit/draft.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/* So that an allocation which cannot be had is NULL, as without the sanitizer. */
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* Ignores the leaks of a test that has crashed. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libcriterion";
}

void support_init(void)
{
	struct err err = {0};

	cr_assert_eq(secmem_init(1 << 20, &err), 0, "%s", err_text(&err));
	json_init();
	log_set_level(LOG_LEVEL_ERROR);
}

static char dir[64];

const char *support_dir(void)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/vaultfs-unit-XXXXXX");
		cr_assert_not_null(mkdtemp(dir));
	}
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

/* Criterion leaves its processes without exit(3), so that nobody looks for leaks unless we do. */
static void check_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
	if (__lsan_do_recoverable_leak_check())
		abort();
#endif
}

void support_fini(void)
{
	if (dir[0])
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	dir[0] = '\0';
	check_leaks();
}

char *support_path(const char *name)
{
	char *path;

	cr_assert_gt(asprintf(&path, "%s/%s", support_dir(), name), 0);
	return path;
}

char *support_file(const char *name, const char *bytes, size_t len)
{
	char *path = support_path(name);
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
	return path;
}

cJSON *support_parse(const char *text)
{
	struct json_where where = {0};
	cJSON *json = NULL;

	cr_assert_eq(json_parse(text, strlen(text), &json, &where), 0, "%s: %s at %zu", text,
		     where.what, where.offset);
	return json;
}

char *support_print(const cJSON *json)
{
	_cleanup_buf_ struct buf b = {0};
	char *text;

	cr_assert_eq(json_print(json, false, &b), 0);
	text = strndup(b.data, b.len);
	cr_assert_not_null(text);
	return text;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool support_same(const cJSON *a, const cJSON *b)
{
	if ((a->type & 0xff) != (b->type & 0xff) || !same_text(a->valuestring, b->valuestring) ||
	    !same_text(a->string, b->string))
		return false;
	for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
		if (!support_same(a, b))
			return false;
	return a == b;
}

static int captured = -1, saved = -1;

void support_capture(void)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	captured = fds[0];
	saved = dup(STDERR_FILENO);
	cr_assert_geq(saved, 0);
	cr_assert_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
}

char *support_captured(void)
{
	size_t len = 0, room = 1 << 17;
	char *text = calloc(1, room);
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	while (text && (n = read(captured, text + len, room - 1 - len)) > 0)
		len += (size_t)n;
	close(captured);
	cr_assert_not_null(text);
	return text;
}

struct limit support_limit(void)
{
	return (struct limit){.deadline = clock_mono() + 60 * NS_PER_SEC};
}

void support_draft_put(struct draft *d)
{
	static struct lock tree = LOCK_INITIALIZER(LOCK_TREE);
	LOCK_SCOPE(&tree);

	draft_put_locked(d);
}

void tally_add(struct tally *t)
{
	pthread_mutex_lock(&t->lock);
	t->count++;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

int tally_count(struct tally *t)
{
	int count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}

bool tally_reaches(struct tally *t, int count)
{
	struct timespec end = clock_timespec(clock_wall() + 30 * (int64_t)NS_PER_SEC);
	bool reached;
	int r = 0;

	pthread_mutex_lock(&t->lock);
	while (t->count < count && r == 0)
		r = pthread_cond_timedwait(&t->changed, &t->lock, &end);
	reached = t->count >= count;
	pthread_mutex_unlock(&t->lock);
	return reached;
}

static void on_ready(struct waiter *w)
{
	tally_add(&container_of(w, struct parked, waiter)->ready);
}

void parked_init(struct parked *p)
{
	*p = (struct parked){.waiter = {.ready = on_ready}, .ready = TALLY_INIT};
}

void support_sleep(uint64_t ns)
{
	cancel_sleep(NULL, clock_mono() + ns);
}
