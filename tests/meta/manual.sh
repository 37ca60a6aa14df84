#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --help against the manual, both ways: every option, variable and command of one is in the other.
set -u
top=${top_srcdir:-$(dirname "$0")/../..}
vaultfs=${VAULTFS:-src/vaultfs}
manual=$top/man/vaultfs.1
n=0
report() {
	n=$((n + 1))
	[ -z "$2" ] && echo "ok $n - $1" || { echo "not ok $n - $1"; sed 's/^/# /' <<<"$2"; }
}
difference() { diff <(sort -u <<<"$1") <(sort -u <<<"$2") | sed -n 's/^</only in --help:/p; s/^>/only in the manual:/p'; }
# The items of a section of the manual: the words of its ".It" lines.
section() { sed -n "/^\.Sh $1/,/^\.Sh/p" "$manual"; }

help=$("$vaultfs" mount --help)
echo 1..8
report "the options of --help and of the manual are the same" "$(difference \
	"$(sed -n '/^  addr=/,/^$/p' <<<"$help" | awk 'NF { sub(/=.*/, "", $1); print $1 }')" \
	"$(section 'MOUNT OPTIONS' | sed -n 's/^\.It Cm \([a-z_]*\).*/\1/p')")"
report "the variables of --help and of the manual are the same" "$(difference \
	"$(sed -n '/^Environment/,$p' <<<"$help" | grep -oE '\b(VAULT|BAO|AWS)_[A-Z0-9_]+')" \
	"$(section ENVIRONMENT | grep '^\.It Ev' | grep -oE '\b(VAULT|BAO|AWS)_[A-Z0-9_]+')")"
report "the commands of --help and of the manual are the same" "$(difference \
	"$("$vaultfs" --help | sed -n '/^Commands:/,/^$/p' | awk '/^  / { print $1 }')" \
	"$(section COMMANDS | sed -n 's/^\.It Nm vaultfs Cm \([a-z]*\).*/\1/p')")"
report "the manual has every default of --help" "$(
	sed -n '/^  addr=/,/^$/p' <<<"$help" | sed -n 's/^  \([a-z_]*\).* \[\([^]]*\)\]$/\1 \2/p' |
	while read -r name preset; do
		sed -n "/^\.It Cm $name\b/,/^\.It/p" "$manual" | grep -qF -- "$preset" || echo "$name: $preset"
	done)"
# A delimiter of mdoc alone, as in ".Ql ;", is set outside of the quotes, and a quote in a line of a macro is gone.
if command -v mandoc >/dev/null; then
	report "no quotation of the rendered manual is empty" "$(mandoc -T utf8 "$manual" | col -b | grep -nE '‘’|“”' | head)"
else
	n=$((n + 1)); echo "ok $n - no quotation of the rendered manual is empty # SKIP no mandoc here"
fi
report "quotes in the manual's macros are written \\(dq" "$(grep -nE '^\..*"' "$manual" | grep -vE '^[0-9]+:\.(\\"|It |Bl )' | head)"
# Rows are looked up one by one: none leans on the row before.
report "each line of --help stands for itself" "$(for c in $("$vaultfs" --help | sed -n '/^Commands:/,/^$/p' | awk '/^  / { print $1 }'); do
	text=$("$vaultfs" "$c" --help)
	grep -nE '^  [^ ].* {2,}(its|it|that|they|such) |(after that|such files|that it holds)( |$)|^Usage.*\(null\)' <<<"$text" | sed "s/^/$c: /"
	# What is explained is in the usage.
	for word in PATH DIR TARGET SOURCE; do
		grep -q "^$word is " <<<"$text" && ! sed -n 1p <<<"$text" | grep -q "$word" && echo "$c: $word is not in the usage"
	done
done)"
if command -v mandoc >/dev/null; then
	report "mandoc finds no fault" "$(mandoc -T lint -W warning "$manual" | head)"
else
	n=$((n + 1)); echo "ok $n - mandoc finds no fault # SKIP no mandoc here"
fi
