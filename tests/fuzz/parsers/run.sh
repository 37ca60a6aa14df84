#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each parser's harness for VAULTFS_FUZZ_SECONDS (10; with VAULTFS_LONG=1 60), two at a time, from the directory
# of the build. A crash, a leak, undefined behaviour or more than 10 s for one input is a failure; the input
# is kept beside the harness and printed: none of them is secret.
seconds=${VAULTFS_FUZZ_SECONDS:-${VAULTFS_LONG:+60}}
seconds=${seconds:-10}
here=tests/fuzz/parsers
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # a store is made for each input

inputs() { find $here -maxdepth 1 -type f -name "${1##*/}.*-*"; } # harness; what it has found

run() { # harness; the result is its exit status, in HARNESS.status
	local work
	work=$(mktemp -d)
	mkdir "$work/corpus" "$work/tmp"
	inputs "$1" | xargs -r rm -f
	TMPDIR=$work/tmp timeout -k 10 $((seconds + 60)) "$1" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=2048 -max_len=4096 -artifact_prefix="$1." "$work/corpus" \
		"$top_srcdir/$here/seeds/${1##*fuzz_}" >"$1.out" 2>&1
	echo $? >"$1.status"
	rm -rf "$work"
}

tell() { # number, harness
	local name=${2##*fuzz_} input
	if [ "$(cat "$2.status")" = 0 ]; then
		echo "ok $1 - $name: $(grep -o 'Done [0-9]* runs' "$2.out")"
		return
	fi
	echo "not ok $1 - $name"
	for input in $(inputs "$2"); do
		echo "# to reproduce: $PWD/$2 $PWD/$input"
		od -An -v -tx1 "$input" | sed 's/^/# in hex:/'
	done
	tail -n 40 "$2.out" | sed 's/^/# /'
}

harnesses=$(find $here -maxdepth 1 -name 'fuzz_*' -type f -executable | sort)
if [ -z "$harnesses" ]; then
	echo "Bail out! no harness is built"
	exit 1
fi
for harness in $harnesses; do
	while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n; done
	run "$harness" &
done
wait
echo "1..$(echo "$harnesses" | wc -l)"
n=0
for harness in $harnesses; do
	n=$((n + 1))
	tell $n "$harness"
done
