#!/bin/bash
# Golden copies: each folder of tests/golden/tailor has a campaign message
# (message.eml), a profile (profile.json) and the copy that must come out
# (expected.eml), or what is said instead (expected.txt). The configuration is
# the folder's campaign.conf, else the one above. Links are sealed by the fixed
# keys of a preview without a key ring, so that copies compare byte for byte.
#
#   UPDATE=1 tests/golden/run-tailor.sh     writes what comes out now: read the diff
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)/tailor
build=${MT_BUILD:-$(cd "$here/../../.." && pwd)/build}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
count=0 failed=0

copy() { # folder
	local conf=$1/campaign.conf
	[ -e "$conf" ] || conf=$here/campaign.conf
	"$build/bin/mailtailor" render --config "$conf" --campaign golden --recipient "ann@example.test" \
		--profile "$1/profile.json" --now 2026-03-29T09:00:00Z "$1/message.eml" >"$out/copy" 2>"$out/said"
}

judge() { # folder name
	local want got
	if copy "$1"; then
		want=$1/expected.eml got=$out/copy
	else
		want=$1/expected.txt got=$out/said
		# of what is said, the last line says why; paths differ
		tail -n 1 "$out/said" | sed "s|$here/||g" >"$out/why"
		got=$out/why
	fi
	[ -z "${UPDATE:-}" ] || { rm -f "$1"/expected.*; cp "$got" "$want"; }
	if cmp -s "$want" "$got"; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failed=1
		diff -a "$want" "$got" 2>&1 | head -n 40 | sed 's/^/# /'
	fi
}

for folder in "$here"/*/; do
	count=$((count + 1))
	judge "${folder%/}" "$(basename "$folder")"
done
echo "1..$count"
exit $failed
