// SPDX-License-Identifier: Apache-2.0
/* libFuzzer's side of every parser's harness. An input is a heap block of its own length and a NUL, so
 * that AddressSanitizer sees the first byte that is read past it. */

#include "fuzz.h"

#include <stdint.h>

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
