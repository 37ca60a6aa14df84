#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Style that a program can check: licences, opening comments, forbidden calls, the formatting.
set -u
shopt -s globstar
cd "${top_srcdir:-$(dirname "$0")/../..}" || exit 1
n=0
report() {
	n=$((n + 1))
	[ -z "$2" ] && echo "ok $n - $1" || { echo "not ok $n - $1"; sed 's/^/# /' <<<"$2"; }
}

# Folders whose comments were rewritten in plain English. The list grows.
plain="base http conf host vault aws store event auth kv cache layer offline rule complete migrate cli cmd/run cmd/admin cmd/kv control"

echo 1..11
report "every source says its licence in its first lines" \
	"$(find src tests contrib .ci -type f \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -perm -u+x \) \
		! -path '*/__pycache__/*' | while read -r f; do
			file -b --mime "$f" | grep -q text || continue
			head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"; done)"
report "every C file opens with a comment" \
	"$(for f in src/**/*.c; do sed -n 2p "$f" | grep -q '^/\*' || echo "$f"; done)"
report "nothing below cli/ ends the process, but a lock that is misused in a build that looks for that" \
	"$(grep -nE '\b(exit|abort|assert)\(' src/**/*.c | grep -v '^src/cli/' | grep -v '_exit(0)' \
		| grep -v '^src/base/lock\.c:.*abort();')"
report "no gotos" "$(grep -nE '\bgoto\b' src/**/*.c)"
report "every lock has a name: base/lock alone calls pthread_mutex_*() and its like" \
	"$(grep -nE '(pthread|PTHREAD)_(mutex|cond|rwlock|spin|barrier|MUTEX|COND|RWLOCK)' src/**/*.[ch] \
		| grep -v '^src/base/lock\.[ch]:')"
report "nothing is unfinished" \
	"$(grep -nE "\b(TODO|FIXME|XXX)\b" -r src contrib tests --include='*' | grep -v 'tests/meta/style.sh' \
		| grep -v 'mktemp\|XXXXXX' | grep -v '^Binary')"
report "no test asserts on time being short in the benchmarks" "$(grep -ln 'assert' tests/bench/*.c 2>/dev/null)"
report "a mount namespace of a test's own is made by in_namespace(), which lets go of others' mounts" \
	"$(grep -nE '"(unshare|nsenter)", "-m' -r tests --include='*.py' | grep -v '^tests/lib/mount.py')"
report "lines have at most 100 columns, a few in comments more" \
	"$(awk '{ l = $0; gsub(/\t/, "        ", l); if (length(l) > 106) print FILENAME ":" FNR ": " length(l) }' \
		$(ls src/**/*.[ch] | grep -v conf/option.c))"
# A question may begin so.
report "no sentence of a comment has a bare What or Who as its subject" \
	"$(grep -nE '(/\*|^[[:space:]]*\*|#|"""|[.!?]) ?(What|Who|Whom|Whoever)\b[^?]*$' \
		$(for d in $plain; do ls src/"$d"/*.[ch]; done) tests/unit/*.[ch] tests/lib/*.py)"
if command -v clang-format >/dev/null; then
	report "clang-format has nothing to say" "$(clang-format --dry-run src/**/*.[ch] 2>&1 | head -n 20)"
else
	n=$((n + 1)); echo "ok $n - clang-format has nothing to say # SKIP no clang-format here"
fi
