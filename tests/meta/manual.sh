#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The program's tables against the manual pages, both ways: every option, variable, command, flag, attribute and error
# number of one is in the other, and on one page alone.
set -u
shopt -s globstar
top=${top_srcdir:-$(dirname "$0")/../..}
vaultfs=${VAULTFS:-src/vaultfs}
cd "$top/man" || exit 99
top=$(cd .. && pwd)
vaultfs=$(cd "$OLDPWD" && realpath "$vaultfs")
pages=(*.[1-9])
n=0
echo 1..17
report() {
	n=$((n + 1))
	[ -z "$2" ] && echo "ok $n - $1" || { echo "not ok $n - $1"; sed 's/^/# /' <<<"$2"; }
}
# Of two lists of words: those of one alone. The manual's list is not sorted into a set: what it has twice is named.
difference() {
	diff <(sort -u <<<"$1") <(sort -u <<<"$2") | sed -n 's/^</only in the program:/p; s/^>/only in the manual:/p'
	sort <<<"$2" | uniq -d | sed 's/^/twice in the manual: /'
}
# A section, in whichever page has it: `section NAME [PAGE...]`.
section() {
	local name=$1
	shift
	for page in "${@:-${pages[@]}}"; do sed -n "/^\.Sh $name\$/,/^\.Sh/p" "$page"; done
}
# The text of a command: a page that has no other, or the item in one that has.
item() {
	local page
	page=$(grep -l "^\.It Nm vaultfs Cm $1\b" "${pages[@]}")
	if [ "$(grep -c '^\.It Nm vaultfs Cm' "$page")" = 1 ]; then cat "$page"; else
		sed -n "/^\.It Nm vaultfs Cm $1\b/,/^\.It Nm\|^\.S[hs]/p" "$page" | sed '1!{/^\.It Nm\|^\.S[hs]/d}'
	fi
}

help=$("$vaultfs" mount --help)
commands=$("$vaultfs" --help | sed -n '/^Commands:/,/^$/p' | awk '/^  / { print $1 }')
report "the options of --help and of the manual are the same" "$(difference \
	"$(sed -n '/^  addr=/,/^$/p' <<<"$help" | awk 'NF { sub(/=.*/, "", $1); print $1 }')" \
	"$(section 'MOUNT OPTIONS' | sed -n 's/^\.It Cm \([a-z_]*\).*/\1/p')")"
report "the variables of --help and of the manual are the same" "$(difference \
	"$(sed -n '/^Environment/,$p' <<<"$help" | grep -oE '\b(VAULT|BAO|AWS)_[A-Z0-9_]+|^  (USE_VAULT|SECRET_MANAGER_TYPE)' | tr -d ' ')" \
	"$(section ENVIRONMENT | grep '^\.It Ev' | grep -oE '\b[A-Z0-9]+_[A-Z0-9_]+')")"
report "the commands of --help and of the manual are the same" "$(difference "$commands" \
	"$(cat "${pages[@]}" | sed -n 's/^\.It Nm vaultfs Cm \([a-z]*\).*/\1/p')")"
report "vaultfs(1) has each command in a line, and names its page" "$(
	difference "$commands" "$(section COMMANDS vaultfs.1 | sed -n 's/^\.It Cm \([a-z]*\)$/\1/p')"
	for c in $commands; do
		page=$(grep -l "^\.It Nm vaultfs Cm $c\b" "${pages[@]}")
		[ "$page" = vaultfs.1 ] || section COMMANDS vaultfs.1 | sed -n "/^\.It Cm $c\$/,/^\.It\|^\.El/p" |
			grep -q "^\.Xr ${page%.*} ${page##*.}\b" || echo "$c: ${page:-no page}"
	done)"
report "the manual has every flag of --help with its command" "$(for c in $commands; do
	[ "$c" = mount ] || [ "$c" = login ] || "$vaultfs" "$c" --help | grep -E '^ +-' | grep -vE '^  -[co] ' |
		sed -E 's/^ +//; s/  .*//' | grep -oE '(^|, )--?[a-z-]+' | sed 's/^, //; s/^-//' | while read -r flag; do
		item "$c" | grep -qE -- "(Fl|Cm) $flag( |\$)" || echo "$c: -$flag"
	done
done)"
report "the manual has every default of --help" "$(
	sed -n '/^  addr=/,/^$/p' <<<"$help" | sed -n 's/^  \([a-z_]*\).* \[\([^]]*\)\]$/\1 \2/p' |
	while read -r name preset; do
		section 'MOUNT OPTIONS' | sed -n "/^\.It Cm $name\b/,/^\.It/p" | grep -qF -- "$preset" || echo "$name: $preset"
	done)"
report "the attributes of the program and of the manual are the same" "$(difference \
	"$(grep -rhoE '"user\.vault\.[a-z_]+' "$top/src" | tr -d '"' | sort -u)" \
	"$(section ATTRIBUTES | grep '^\.It Li' | grep -oE 'user\.vault\.[a-z_]+')")"
errnos=$(section 'ERROR NUMBERS' | grep '^\.It Er' | grep -oE '\bE[A-Z0-9]+')
report "the error numbers of the manual are those of the program" "$(
	sort <<<"$errnos" | uniq -d | sed 's/^/twice in the manual: /'
	for e in $errnos; do grep -rqwF --include='*.c' "$e" "$top/src" || echo "only in the manual: $e"; done
	sed -nE 's/^\t\{[A-Z0-9_]+, ("[^"]*", )?(E[A-Z0-9]+),.*/\2/p' "$top/src/vault/reply.c" | sort -u |
		while read -r e; do grep -qx "$e" <<<"$errnos" || echo "only in the program: $e"; done)"
report "the kinds of events of the program and of the manual are the same" "$(difference \
	"$(cat "$top"/src/**/*.[ch] | tr '\n\t' '  ' | grep -oE 'enum event_kind \{[^}]*\}|"kind", "[a-z]+"' | grep -oE 'EVENT_[A-Z]+|[a-z]+"$' |
		sed 's/EVENT_//; s/"//' | tr '[:upper:]' '[:lower:]')" \
	"$(section EVENTS | sed -n 's/^\.It Cm \([a-z]*\)$/\1/p')")"
report "no file is in the lists of two pages" "$(
	for page in "${pages[@]}"; do grep -hoE '^\.It Pa [^ ]+' "$page" | sort -u; done | sort | uniq -d)"
# Of a table of contents, each page is in the tarball and in the list that installs it.
report "every page is installed" "$(difference \
	"$(sed -n '/^dist_man_MANS/,/[^\\]$/p' "$top/Makefile.am" | grep -oE 'man/[a-z.-]+\.[1-9]' | sed 's,man/,,')" \
	"$(printf '%s\n' "${pages[@]}")")"
report "references lead to a page and a section that exist" "$(for page in "${pages[@]}"; do
	grep -oE '\bXr [a-z.-]*vaultfs[a-z.-]* [0-9]' "$page" | sort -u | while read -r _ name number; do
		[ -f "$name.$number" ] || echo "$page: $name($number)"
		[ "$name.$number" != "$page" ] || echo "$page: refers to itself"
	done
	sed -nE 's/^\..*\bSx (.*[^ .,;)])( [.,;)]+)?$/\1/p' "$page" | sort -u | while read -r name; do
		grep -qx "\.S[hs] $name" "$page" || echo "$page: no section $name"
	done
	sed -nE 's/^\..*\bEm (.*) No in Xr ([^ ]+) ([0-9]).*/\2.\3 \1/p' "$page" | sort -u | while read -r other name; do
		grep -qx "\.S[hs] $name" "$other" || echo "$page: no section $name in $other"
	done
done)"
report "each page has its parts" "$(for page in "${pages[@]}"; do
	for part in NAME DESCRIPTION 'SEE ALSO'; do grep -qx "\.Sh $part" "$page" || echo "$page: $part"; done
	grep -qxi "\.Dt ${page%.*} ${page##*.}" "$page" || echo "$page: .Dt"
done)"
# A delimiter of mdoc alone, as in ".Ql ;", is set outside of the quotes, and a quote in a line of a macro is gone.
if command -v mandoc >/dev/null; then
	report "no quotation of the rendered manual is empty" "$(for page in "${pages[@]}"; do
		mandoc -T utf8 "$page" | col -b | grep -nE '‘’|“”' | head | sed "s/^/$page: /"
	done)"
else
	n=$((n + 1)); echo "ok $n - no quotation of the rendered manual is empty # SKIP no mandoc here"
fi
report "quotes in the manual's macros are written \\(dq" "$(grep -nE '^\..*"' "${pages[@]}" | grep -vE '^[^:]+:[0-9]+:\.(\\"|It |Bl )' | head)"
# Rows are looked up one by one: none leans on the row before.
report "each line of --help stands for itself" "$(for c in $commands; do
	text=$("$vaultfs" "$c" --help)
	grep -nE '^  [^ ].* {2,}(its|it|that|they|such) |(after that|such files|that it holds)( |$)|^Usage.*\(null\)' <<<"$text" | sed "s/^/$c: /"
	# What is explained is in the usage.
	for word in PATH DIR TARGET SOURCE; do
		grep -q "^$word is " <<<"$text" && ! sed -n 1p <<<"$text" | grep -q "$word" && echo "$c: $word is not in the usage"
	done
done)"
if command -v mandoc >/dev/null; then
	report "mandoc finds no fault" "$(mandoc -T lint -W warning "${pages[@]}" | head)"
else
	n=$((n + 1)); echo "ok $n - mandoc finds no fault # SKIP no mandoc here"
fi
