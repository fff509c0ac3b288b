#!/bin/bash
# Recommendation models on Online Retail II, by the split of data/learn/PROTOCOL.md: ours beside the reference's figures
# (reference/reco.json), and what the weights that are left out of a model's file cost.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need learn
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Customer known, quantity and price above 0, no cancelled invoice.
# shellcheck disable=SC2016
xz -dc "$corpus/learn/online_retail_ii_2009_2010_clean.csv.xz" |
	awk -F, 'NR == 1 { print "customer,item,time"; next }
		$1 !~ /^C/ && $2 != "" && $5 > 0 && $6 > 0 { print $2 "," $3 "," $4 }' >"$work/log.csv" || exit 1

# judge NAME-IN-REFERENCE MIN-NDCG LARGEST-DIFFERENCE OPTION…
# shellcheck disable=SC2317  # called by check
judge() {
	local name=$1 min=$2 off=$3 figures
	shift 3
	figures=$("$build/bin/mailtailor" catalog train --csv "$work/log.csv" --test-from 2010-10-01 --dry-run --json "$@") || return
	jq -rn --argjson ours "$figures" --slurpfile all "$corpus/learn/reference/reco.json" \
		--arg name "$name" --argjson min "$min" --argjson off "$off" '
		def r: . * 1e5 | round / 1e5;
		$all[0].orii_new[$name] as $ref | $ours.test as $t
		| (($t["ndcg@10"] - $ref.ndcg) | fabs) as $d
		| "customers \($t.customers), reference \($ref.n)",
		  "NDCG@10 \($t["ndcg@10"] | r), reference \($ref.ndcg | r); Recall@10 \($t["recall@10"] | r), \($ref.recall | r); "
		  + "\($t.seconds * 100 | round / 100) s, \($ref.fit_sec * 100 | round / 100) s",
		  if $t.customers == $ref.n and $t["ndcg@10"] >= $min and $d <= $off then empty else error("not as it should be") end'
}

# Those that have one answer agree with the reference; factors depend on where they begin.
check "popularity" judge popularity 0.0497 1e-5 --kind popular
check "ease, all weights" judge "EASE lam=500" 0.114 1e-4 --kind ease --keep 0
check "ease, as it is written: 200 weights of each item" judge "EASE lam=500" 0.114 0.0025 --kind ease
check "knn" judge "itemkNN cos k=200 shrink10" 0.098 1e-4 --kind knn
check "als" judge "iALS f=32 reg=10.0 a=1 it=10" 0.100 0.005 --kind als

# shellcheck disable=SC2317
again() {
	"$build/bin/mailtailor" catalog train --csv "$work/log.csv" --test-from 2010-10-01 --dry-run --json --kind popular --repeats |
		jq -r --slurpfile all "$corpus/learn/reference/reco.json" '
			.test["ndcg@10 of own frequency"] as $ours
			| $all[0].orii_all["personal frequency + pop tiebreak"].ndcg as $ref
			| "NDCG@10 \($ours * 1e5 | round / 1e5), reference \($ref * 1e5 | round / 1e5)",
			  if $ours >= $ref - 0.0065 then empty else error("below the reference by more than its standard error") end'
}
# By days, where the reference may count what one day brought twice.
check "what one took most often, when what one has may be bought again" again
finish
