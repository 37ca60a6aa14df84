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
echo 1..5
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
if command -v mandoc >/dev/null; then
	report "mandoc finds no fault" "$(mandoc -T lint -W warning "$manual" | head)"
else
	n=$((n + 1)); echo "ok $n - mandoc finds no fault # SKIP no mandoc here"
fi
