// SPDX-License-Identifier: Apache-2.0
/* JSON: printed and parsed again it is the same, however deep it is cut. */

#include "fuzz.h"

#include "base/json.h"

int fuzz_one(const char *text, size_t len)
{
	_cleanup_json_ cJSON *tree = NULL;
	_cleanup_buf_ struct buf first = {0};
	struct json_where where;

	if (json_parse(text, len, &tree, &where) < 0)
		return 0;
	fuzz_check(json_print(tree, false, &first) == 0);
	for (size_t depth = 0; depth < 4; depth++) {
		_cleanup_json_ cJSON *again = NULL;
		_cleanup_buf_ struct buf second = {0};

		fuzz_check(json_parse_shallow(text, len, depth, &again, NULL) == 0);
		fuzz_check(json_print(again, false, &second) == 0);
		fuzz_check(first.len == second.len && !memcmp(first.data, second.data, first.len));
	}
	return 0;
}
