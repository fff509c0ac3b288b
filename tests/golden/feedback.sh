#!/bin/bash
# Bounces, complaints and automatic replies: our own (fixtures/feedback, judged by its file "expected"), then real ones
# against what two other parsers make of them, where those agree, and mail that is nothing of the kind.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
own=$golden/fixtures/feedback

# shellcheck disable=SC2317  # called by name
ours() {
	"$tools/feedback-corpus" print "$own"/*.eml >"$printed" || return
	diff -u "$own/expected" "$printed" && echo "$(grep -c . "$own/expected") findings"
}
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
check "our own" ours
if [ -d "$corpus/bounces" ] && [ -d "$corpus/mime" ]; then
	check "hard or soft" "$tools/feedback-corpus" judge hard "$corpus/bounces"
	check "class of the status" "$tools/feedback-corpus" judge class "$corpus/bounces"
	check "recipient" "$tools/feedback-corpus" judge recipient "$corpus/bounces"
	check "type of complaints" "$tools/feedback-corpus" judge type "$corpus/bounces"
	check "what is no bounce" "$tools/feedback-corpus" none /dev/null "$corpus/bounces/not-bounces"
	check "other mail" "$tools/feedback-corpus" none "$golden/bounces-in-mime.txt" "$corpus/mime"
	check "hostile mail" "$tools/feedback-corpus" none /dev/null "$corpus/mime-hostile"
else
	count=$((count + 1))
	echo "ok $count - real bounces # SKIP corpus not found: bounces, mime (set CORPUS)"
fi
finish
