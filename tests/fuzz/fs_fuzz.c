// SPDX-License-Identifier: Apache-2.0
/* A fuzzer of system calls: several processes of several users call at random on a mount.
 *
 *      fs_fuzz DIR SECONDS SEED USERS       USERS: "0,61001,61002", a process for each
 *
 * What each process calls follows from the seed. It fails where a call does not end in time, where the
 * file system does not answer any more, or where a process that is not root's reads the text in $CANARY:
 * that stands in files which only root may read, and which root's own processes leave alone, since root
 * might well move it to where others read it. */

#include "fs_fuzz.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX 16
#define SECONDS_MAX 40 /* that a call may take: the mount's timeout, and what waits before it */

enum { END_FINE, END_DEAD = 10, END_LEAK };

struct worker me;
static struct state *states;

uint64_t roll(uint64_t n)
{
	me.dice ^= me.dice << 13;
	me.dice ^= me.dice >> 7;
	me.dice ^= me.dice << 17;
	return me.dice % n;
}

static const char *const folders[] = {"",	 "db",	"free", "sub",	      "sub/deep", "new",
				      "new/dir", "db2", "key",	"gone/never", "flat"};
static const char *const closed[] = {"closed", "closed/hidden", "db"};
static const char *const names[] = {
	"f0",	"f1",	    "f2",   "f3",	"f0~",	  "f1~",  ".f0.swp",  ".f1.ab12",
	"#f0#", "4913",	    "new",  "deep",	".vault", "%2F",  "%",	      "%25",
	"%2e",	"%2Evault", "\xff", "a b\n",	"..",	  ".",	  "key",      "hidden",
	"x",	"secret",   "sub",  "\xc2\x9b", "-rf",	  "f0.1", "data.json"};
static const char *const controls[] = {".vault",
				       ".vault/data.json",
				       ".vault/data.env",
				       ".vault/metadata.json",
				       ".vault/version",
				       ".vault/fields",
				       ".vault/fields/f0",
				       ".vault/fields/f1",
				       ".vault/fields/key",
				       ".vault/fields/f0~",
				       ".vault/versions",
				       ".vault/versions/1",
				       ".vault/versions/2/f0",
				       ".vault/versions/1/key",
				       ".vault/versions/999",
				       ".vault/conflicts",
				       ".vault/conflicts/f0.1",
				       ".vault/conflicts/f1.2",
				       ".vault/data.json~",
				       ".vault/.tmp~",
				       ".vault/nothing",
				       ".vault/status.json",
				       ".vault/metrics",
				       ".vault/errors",
				       ".vault/events",
				       ".vault/refresh",
				       ".vault/renew"};

/* Root leaves the closed files alone, and the document that holds one of them. */
static bool is_closed(const char *p)
{
	return strstr(p, "closed") || strstr(p, "key") || strstr(p, "hidden") ||
	       strstr(p, "/db/.vault/data.json");
}

void make_path(char to[PATH_ROOM])
{
	const char *folder = !me.is_root && roll(4) == 0 ? PICK(closed) : PICK(folders);
	const char *name = roll(3) == 0 ? PICK(controls) : PICK(names);
	char long_name[300];

	if (roll(60) == 0) {
		memset(long_name, 'n', sizeof(long_name));
		long_name[254 + roll(3)] = '\0';
		name = long_name;
	}
	if (roll(5) == 0)
		name = "";
	if (roll(9) == 0)
		folder = "";
	snprintf(to, PATH_ROOM, "%s/%s%s%s", me.root, folder, *folder && *name ? "/" : "", name);
	if (me.is_root && is_closed(to + strlen(me.root)))
		snprintf(to, PATH_ROOM, "%s/free/f%d", me.root, (int)roll(4));
}

void check_read(ssize_t n)
{
	if (n <= 0 || me.is_root || !*me.canary ||
	    !memmem(me.bytes, (size_t)n, me.canary, strlen(me.canary)))
		return;
	snprintf(me.state->text, sizeof(me.state->text), "the canary was read: %.200s", me.path);
	_exit(END_LEAK);
}

static const struct call *some_call(void)
{
	unsigned all = 0, at;

	for (size_t i = 0; i < call_count; i++)
		all += calls[i].weight;
	at = (unsigned)roll(all);
	for (size_t i = 0;; i++) {
		if (at < calls[i].weight)
			return &calls[i];
		at -= calls[i].weight;
	}
}

static void work(size_t i, uid_t uid, uint64_t seed, time_t end)
{
	calls_init();
	me.is_root = uid == 0;
	if (!me.is_root && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
			    setresuid(uid, uid, uid) < 0))
		_exit(END_DEAD);
	me.state = &states[i];
	me.dice = seed * UINT64_C(0x9e3779b97f4a7c15) + i + 1;
	for (; time(NULL) < end; me.state->calls++) {
		const struct call *c = some_call();

		make_path(me.path);
		snprintf(me.state->text, sizeof(me.state->text), "%s %.230s", c->name, me.path);
		me.state->since = time(NULL);
		errno = 0;
		c->run();
		if (errno == ENOTCONN)
			_exit(END_DEAD);
	}
	me.state->since = 0;
	_exit(END_FINE);
}

static int complain(const char *what, size_t i)
{
	printf("fs_fuzz: %s: worker %zu, call %llu: %s\n", what, i,
	       (unsigned long long)states[i].calls, states[i].text);
	fflush(stdout);
	return 1;
}

static int watch(pid_t *pids, size_t count)
{
	size_t left = count;
	int failed = 0;

	while (left && !failed) {
		time_t now = time(NULL);

		usleep(100000);
		for (size_t i = 0; i < count; i++) {
			int status;

			if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				pids[i] = 0;
				left--;
				if (status)
					failed = complain(
						WIFEXITED(status) && WEXITSTATUS(status) == END_LEAK
							? "leak"
							: "the mount or the worker has died",
						i);
			} else if (pids[i] && states[i].since &&
				   now - states[i].since > SECONDS_MAX) {
				failed = complain("a call hangs", i);
			}
		}
	}
	return failed;
}

int main(int argc, char **argv)
{
	pid_t pids[WORKERS_MAX] = {0};
	size_t count = 0;
	uint64_t seed, all = 0;
	int failed;

	if (argc != 5)
		return 2;
	me.canary = getenv("CANARY") ? getenv("CANARY") : "";
	states = mmap(NULL, WORKERS_MAX * sizeof(*states), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (states == MAP_FAILED)
		return 2;
	me.root = argv[1];
	seed = strtoull(argv[3], NULL, 10);
	printf("fs_fuzz: seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (const char *p = argv[4]; p && *p && count < WORKERS_MAX; count++) {
		uid_t uid = (uid_t)strtoul(p, (char **)&p, 10);

		pids[count] = fork();
		if (pids[count] == 0)
			work(count, uid, seed, time(NULL) + atoi(argv[2]));
		p += *p == ',';
	}
	failed = watch(pids, count);
	for (size_t i = 0; i < count; i++) {
		if (pids[i])
			kill(pids[i], SIGKILL);
		all += states[i].calls;
	}
	printf("fs_fuzz: %llu calls\n", (unsigned long long)all);
	return failed;
}
