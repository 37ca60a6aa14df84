#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each parser's harness for VAULTFS_FUZZ_SECONDS (2; with VAULTFS_LONG=1 10), from the directory of the build.
# They are built where configure had --enable-fuzzers; what one finds is kept beside it.
seconds=${VAULTFS_FUZZ_SECONDS:-${VAULTFS_LONG:+10}}
seconds=${seconds:-2}
here=tests/fuzz/parsers
harnesses=$(find $here -maxdepth 1 -name 'fuzz_*' -type f -executable | sort)
if [ -z "$harnesses" ]; then
	echo "1..0 # SKIP the harnesses are built by ./configure --enable-fuzzers CC=clang"
	exit 0
fi
echo "1..$(echo "$harnesses" | wc -l)"
n=0
for harness in $harnesses; do
	n=$((n + 1)); name=${harness##*fuzz_}
	corpus=$(mktemp -d)
	if "$harness" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
		-artifact_prefix="$harness." "$corpus" "$top_srcdir/$here/seeds/$name" >"$harness.out" 2>&1; then
		echo "ok $n - $name: $(grep -o 'Done [0-9]* runs' "$harness.out")"
	else
		echo "not ok $n - $name"; tail -n 40 "$harness.out" | sed 's/^/# /'
	fi
	rm -rf "$corpus"
done
