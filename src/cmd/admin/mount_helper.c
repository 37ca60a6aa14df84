// SPDX-License-Identifier: Apache-2.0
/* mount.vaultfs: the helper that mount(8) runs for `mount -t vaultfs` and for a line of fstab(5).
 * Translates its arguments into those of `vaultfs mount`, without the options that are meant for
 * mount(8), systemd and the kernel. */

#include "cmd/admin/admin_commands.h"

#include "cli/command.h"

#include "base/err.h"
#include "conf/option.h"

#include <stdio.h>
#include <string.h>

enum { MOUNT_FAILED = 32 }; /* mount(8), EXIT STATUS */

/* Without "ro" and "rw", which are ours. A word ending in "=" or "-" matches any continuation. */
static const char foreign[] =
	"auto noauto user user= nouser users nousers owner noowner group nogroup nofail _netdev "
	"defaults suid nosuid dev nodev exec noexec async sync dirsync atime noatime diratime "
	"nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime silent loud "
	"mand nomand iversion noiversion nosymfollow uhelper= helper= comment= x- X-";

static bool is_foreign(const char *item, size_t len)
{
	for (const char *word = foreign; *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " ");
		bool begins = word[n - 1] == '=' || word[n - 1] == '-';

		if ((begins ? n <= len : n == len) && !strncmp(word, item, n))
			return true;
		word += n;
	}
	return false;
}

/* The length of the first option of a list; "\," does not end it. */
static size_t item_len(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != ',')
		n += s[n] == '\\' && s[n + 1] ? 2 : 1;
	return n;
}

/* Keeps only our options. -1 for an impossible request. */
static int filter(char *options, bool sloppy)
{
	char *to = options;
	const char *from = options;

	while (*from) {
		size_t len = item_len(from), name = strcspn(from, "=,");
		bool drop = is_foreign(from, len) || (sloppy && !option_find(from, name));

		if (len == strlen("remount") && !strncmp(from, "remount", len))
			return -1;
		if (!drop && len) {
			if (to > options)
				*to++ = ',';
			memmove(to, from, len);
			to += len;
		}
		from += len;
		from += *from == ',';
	}
	*to = '\0';
	return 0;
}

struct request {
	char *options; /* all -o, joined; heap; NULL: none */
	const char *what[2];
	int count;
	bool sloppy, fake, read_only;
};

static int add_options(struct request *q, const char *more)
{
	char *all;

	if (asprintf(&all, "%s%s%s", q->options ? q->options : "", q->options ? "," : "", more) < 0)
		return -1;
	free(q->options);
	q->options = all;
	return 0;
}

static int misused(const char *what)
{
	return command_fail(EXIT_LOCAL,
			    "%s\nUsage: " MOUNT_HELPER " SOURCE DIR [-sfnvrw] [-o OPT,...]", what);
}

/* mount(8) puts the source first. */
static int parse(struct request *q, int argc, char **argv)
{
	int option;

	optind = 1;
	while ((option = getopt(argc, argv, "-sfnvrwo:t:N:")) != -1) {
		if (option == 's')
			q->sloppy = true;
		else if (option == 'f')
			q->fake = true;
		else if (option == 'r')
			q->read_only = true;
		else if (option == 'o' && add_options(q, optarg) < 0)
			return command_fail(EXIT_LOCAL, "no memory");
		else if (option == '?')
			return misused("wrong usage");
		else if (option == 1 && q->count == 2)
			return misused("too many arguments");
		else if (option == 1)
			q->what[q->count++] = optarg;
	}
	while (optind < argc && q->count < 2)
		q->what[q->count++] = argv[optind++];
	return q->count == 2 && optind == argc ? EXIT_OK : misused("what to mount, and where?");
}

static int run(struct request *q)
{
	const char *argv[] = {"mount", "-o", NULL, "--", q->what[0], q->what[1], NULL};
	int status;

	if (q->options && filter(q->options, q->sloppy) < 0)
		return command_fail(EXIT_LOCAL, "a mount cannot be changed: unmount it, and mount "
						"it with other options");
	if (q->read_only && add_options(q, "ro") < 0)
		return command_fail(EXIT_LOCAL, "no memory");
	if (q->fake)
		return EXIT_OK;
	argv[2] = q->options ? q->options : "";
	status = command_mount.run(ARRAY_SIZE(argv) - 1, (char **)argv);
	return status == EXIT_SERVER ? MOUNT_FAILED : status;
}

int mount_helper_run(int argc, char **argv)
{
	struct request q = {0};
	int status = parse(&q, argc, argv);

	if (status == EXIT_OK)
		status = run(&q);
	free(q.options);
	return status;
}
