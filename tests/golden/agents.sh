#!/bin/bash
# Who is taken for a human: no crawler of a public collection, every browser and mail client of ours, no image proxy.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"

# shellcheck disable=SC2317  # called by check
all_are() { # FILE CLASS…: every line of the file is one of these
	local file=$1 answers right total
	shift
	total=$(wc -l <"$file")
	answers=$("$build/bin/mailtailor" events classify - --json <"$file") || return
	jq -r --arg classes "$*" 'select((.class as $c | $classes | split(" ") | index($c)) == null) | .class + " " + .reason + " " + .user_agent' <<<"$answers"
	right=$(jq -r --arg classes "$*" '.class as $c | $classes | split(" ") | index($c) // empty' <<<"$answers" | wc -l)
	echo "$right of $total"
	[ "$right" -eq "$total" ] && [ "$total" -gt 0 ]
}

# shellcheck disable=SC2317
enough() {
	local n
	n=$(sort -u "$golden/fixtures/agents-human.txt" | wc -l)
	echo "$n"
	[ "$n" -ge 200 ]
}

check "browsers and mail clients are human" all_are "$golden/fixtures/agents-human.txt" human
check "the list of them has 200 or more" enough
check "image proxies are a class of their own" all_are "$golden/fixtures/agents-proxy.txt" proxy
if [ -d "$corpus/bots" ]; then
	list=$(mktemp)
	trap 'rm -f "$list"' EXIT
	jq -r '.[].instances[]' "$corpus/bots/crawler-user-agents.json" | sort -u >"$list"
	check "no crawler is human" all_are "$list" machine proxy
else
	count=$((count + 1))
	echo "ok $count - no crawler is human # SKIP corpus not found: bots (set CORPUS)"
fi
finish
