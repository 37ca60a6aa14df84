// SPDX-License-Identifier: Apache-2.0
/* libFuzzer's side of every parser's harness. An input is a heap block of its own length and a NUL, so
 * that AddressSanitizer sees the first byte that is read past it. */

#include "fuzz.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len + 1);

	if (!text)
		return 0;
	if (len)
		memcpy(text, bytes, len);
	text[len] = '\0';
	fuzz_one(text, len);
	free(text);
	return 0;
}

struct fuzz_file fuzz_file_new(const void *bytes, size_t len)
{
	struct fuzz_file f = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};

	fuzz_check(f.fd >= 0 && write(f.fd, bytes, len) == (ssize_t)len);
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	return f;
}

void fuzz_file_fini(struct fuzz_file *f)
{
	close(f->fd);
}

char *fuzz_path(const char *name)
{
	static char folder[200];
	const char *tmp = getenv("TMPDIR");
	char *path;

	if (!*folder) {
		snprintf(folder, sizeof(folder), "%s/fuzz.XXXXXX", tmp ? tmp : "/tmp");
		fuzz_check(mkdtemp(folder) != NULL);
	}
	fuzz_check(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

void fuzz_save(const char *path, const struct buf *bytes)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	fuzz_check(fd >= 0 && write(fd, bytes->data, bytes->len) == (ssize_t)bytes->len);
}

void fuzz_load(const char *path, struct buf *bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	fuzz_check(fd >= 0 && buf_read(bytes, fd, 1u << 20) == 0);
}
