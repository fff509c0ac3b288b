#!/bin/bash
# The BG/NBD model on the sample that its paper uses (Fader, Hardie and Lee 2005, tables 2 and 3): CDNOW, 2357 customers who
# first bought in the first quarter of 1997, looked at until the end of September.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"

# Days as fractions of weeks; what was bought on one day is one purchase.
# shellcheck disable=SC2317  # called by check
customers() {
	tr -d '\r' <"$corpus/learn/CDNOW_sample.txt" | awk -F, '
		BEGIN { end = 272 / 7 }
		NR > 1 && $3 <= end + 1e-6 {
			if (!($2 in first) || $3 < first[$2]) first[$2] = $3
			if (!($2 in last) || $3 > last[$2]) last[$2] = $3
			if (!(($2, $3) in seen)) { seen[$2, $3] = 1; n[$2]++ }
		}
		END { for (id in n) printf "%d %.12g %.12g\n", n[id] - 1, last[id] - first[id], end - first[id] }' | sort
}

# shellcheck disable=SC2317
within() { # KEY VALUE TOLERANCE
	[ -n "$fit" ] || return # jq takes nothing for something that went well
	jq -er --arg k "$1" --argjson v "$2" --argjson t "$3" '
		"\(.[$k]), the paper \($v)", (if (.[$k] - $v) | fabs <= $t then empty else error("not within \($t)") end)' <<<"$fit"
}

if [ -r "$corpus/learn/CDNOW_sample.txt" ]; then
	fit=$(customers | "$build/tests/value-fit")
	echo "# $fit"
	check "log-likelihood -9582.429" within loglik -9582.429 0.01
	check "r = 0.243" within r 0.243 0.001
	check "alpha = 4.414" within alpha 4.414 0.001
	check "a = 0.793" within a 0.793 0.001
	check "b = 2.426" within b 2.426 0.001
	check "of a customer with 2 repeats, the last after 30.43 of 38.86 weeks, 1.226 more are expected in 39 weeks" within expected_39 1.226 0.001
else
	count=$((count + 1))
	echo "ok $count - BG/NBD on CDNOW # SKIP corpus not found: learn (set CORPUS)"
fi
finish
