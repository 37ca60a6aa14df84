#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The ranks of the folders, and that includes point down only: a file includes its own folder and lower
# ranks, names the folder in each local include, and two folders of one rank do not know each other. A
# folder in a folder has a rank of its own.
set -u
shopt -s globstar
cd "${top_srcdir:-$(dirname "$0")/../..}" || exit 1
declare -A rank=([base]=0 [http]=1 [conf]=1 [host]=1 [vault]=2 [store]=2 [event]=2 [aws]=2 [auth]=3 [engine]=3 [kv]=3
	[cache]=4 [layer]=4 [offline]=4 [rule]=4 [secrets]=5 [node]=6 [tree]=7 [edit]=8 [watch]=8
	[control]=9 [fs]=10 [cli]=11 [remote]=12 [complete]=12 [migrate]=13
	[cmd/kv]=14 [cmd/run]=14 [cmd/admin]=14 [cmd]=15)
n=0
report() { # condition's status, title, details
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" || { echo "not ok $n - $2"; sed 's/^/# /' <<<"$3"; }
}

echo 1..7
bad=
for dir in src/**/; do
	name=${dir#src/} name=${name%/}
	[ -n "$name" ] || continue
	[ -n "${rank[$name]-}" ] || bad+="src/$name has no rank"$'\n'
done
report "$([ -z "$bad" ]; echo $?)" "every folder has a rank" "$bad"

bad=
while IFS=: read -r file line text; do
	from=${file#src/} from=${from%/*}
	path=$(sed 's/.*"\(.*\)".*/\1/' <<<"$text")
	to=${path%/*}
	[ "$path" = config.h ] && continue
	if [ "$to" = "$path" ] || [ -z "${rank[$to]-}" ]; then
		bad+="$file:$line: $path does not name its folder"$'\n'
	elif [ "$from" != "$to" ] && [ "${rank[$to]}" -ge "${rank[$from]}" ]; then
		bad+="$file:$line: $from (rank ${rank[$from]}) includes $path (rank ${rank[$to]})"$'\n'
	elif [ ! -f "src/$path" ]; then
		bad+="$file:$line: there is no src/$path"$'\n'
	fi
done < <(grep -Hn '^#include "' src/**/*.[ch])
report "$([ -z "$bad" ]; echo $?)" "includes point down only" "$bad"

bad=$(grep -ln 'fuse_lowlevel.h\|<fuse' src/**/*.[ch] | grep -v '^src/fs/')$(
	grep -ln '<curl/' src/**/*.[ch] | grep -v '^src/http/')
report "$([ -z "$bad" ]; echo $?)" "only fs/ knows libfuse, only http/ knows libcurl" "$bad"

bad=$(grep -n 'HTTP_ANSWERED\|->status\b\|\.status\b' src/**/*.c | grep -v '^src/\(http\|vault\|aws\|auth\)/\|detach\|DETACH\|r\.status')
report "$([ -z "$bad" ]; echo $?)" "HTTP statuses stay below the vault layer" "$bad"

bad=$(grep -nE 'ops->(write|patch|mark|purge|change_metadata)\(|ops->(un)?(delete|destroy)_version\b|\bkv_write(_check)?\(' \
	src/**/*.c | grep -v '^src/\(kv\|secrets\)/')
report "$([ -z "$bad" ]; echo $?)" "only secrets/ calls what changes a secret in a store" "$bad"

# tsort(1) fails, and names what is in the ring, where there is one.
pairs() { # what awk(1) prints of the includer ($1) and of what it includes ($2)
	grep -H '^#include "[a-z_]*/' src/*/*.[ch] | sed -E 's/^src\/([^:]*):#include "([^"]*)".*/\1 \2/' | awk "$1" | sort -u
}
bad=$(pairs '{ split($1, a, "/"); split($2, b, "/"); if (a[1] != b[1]) print a[1], b[1] }' | tsort 2>&1 >/dev/null)
report "$([ -z "$bad" ]; echo $?)" "no folders include each other in a ring" "$bad"

bad=$(pairs '{ print }' | tsort 2>&1 >/dev/null)
report "$([ -z "$bad" ]; echo $?)" "no files include each other in a ring" "$bad"
