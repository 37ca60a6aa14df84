#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What keeps the code readable in numbers: sizes of files, functions and folders, names of files.
set -u
shopt -s globstar
cd "${top_srcdir:-$(dirname "$0")/../..}" || exit 1
n=0
report() {
	n=$((n + 1))
	[ -z "$2" ] && echo "ok $n - $1" || { echo "not ok $n - $1"; sed 's/^/# /' <<<"$2"; }
}

# The lines of each function: "file:name lines".
functions() {
	awk '
		FNR == 1 { open = 0 }
		/^[A-Za-z_].*[^;]$/ && !/^(struct|enum|union|static const|typedef|#|extern)[^(]*$/ {
			if (match($0, /[A-Za-z_0-9]+\(/)) name = substr($0, RSTART, RLENGTH - 1)
		}
		/^{$/ && name != "" { open = FNR }
		/^}$/ && open { print FILENAME ":" name, FNR - open - 1; open = 0; name = "" }
	' src/**/*.c
}

echo 1..7
report "files of C have at most 600 lines" \
	"$(wc -l src/**/*.c | awk '$2 != "total" && $1 > 600')"
report "headers have at most 120 lines" \
	"$(wc -l src/**/*.h | awk '$2 != "total" && $1 > 120')"
report "functions have at most 70 lines" "$(functions | awk '$2 > 70')"
median=$(functions | awk '{ print $2 }' | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }')
echo "# $(functions | wc -l) functions, median $median lines"
report "the median function has at most 20 lines" "$([ "$median" -le 20 ] || echo "$median")"
report "folders have at most fifteen C files" \
	"$(for d in src/**/; do k=$(find "$d" -maxdepth 1 -name '*.c' | wc -l); [ "$k" -le 15 ] || echo "$d $k"; done)"
report "names of C files are unique, since ar(1) knows no folders" \
	"$(find src tests -name '*.c' -printf '%f\n' | sort | uniq -d)"
report "there is no util.c" "$(find src -name '*util*' -o -name '*misc*' -o -name '*common*')"
