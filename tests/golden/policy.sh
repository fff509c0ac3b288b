#!/bin/bash
# Off-policy estimates by the protocol of data/learn/PROTOCOL.md: ours beside the reference (reference/policy.json, obd.json).
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need learn
data=$corpus/learn
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2317
evaluate() { # table, specification: the answer as JSON into $work/NAME
	"$build/bin/mailtailor" policy evaluate --json --csv "$1" --spec "$golden/policy/$2.json" >"$work/$2"
}

# The reference lists IPS, its SE, SNIPS, DR, its SE. Where the policy is the same one, IPS and SNIPS agree to 1e-6; q comes of
# another solver, so DR and what follows from q (T-learner) agree to 1e-3, in units of reward.
# shellcheck disable=SC2016,SC2317  # jq's; called by check
values() { # table, specification, reward, largest difference of the T-learner's IPS, SE, SNIPS, and of its DR, SE
	evaluate "$1" "$2" || return
	jq -r --arg reward "$3" --argjson same "$4" --argjson dr "$5" --slurpfile all "$data/reference/policy.json" '
		def r: . * 1e6 | round / 1e6;
		def of: .estimates | [.IPS.value, .IPS.se, .SNIPS.value, .DR.value, .DR.se];
		{"always No E-Mail": "none", "always Mens E-Mail": "mens", "always Womens E-Mail": "womens"} as $names
		| [.policies[] | select(.policy | startswith("LinUCB") | not)
			| . as $p | ($names[.policy] // .policy) as $name | $all[0][$reward + "|" + $name] as $ref
			| of as $ours | [range(5) | ($ours[.] - $ref[.]) | fabs] as $off
			| ($name | startswith("T-LR")) as $learned
			| {line: "\($name): ours \($ours | map(r)), reference \($ref | map(r))",
			   off: ($off | max),
			   good: (($off[0:3] | max) <= (if $learned then $same else 1e-6 end) and
				($off[3:] | max) <= (if $learned then $dr else 1e-3 end))}]
		| .[].line, "\(length) policies, largest difference \(map(.off) | max | r)",
		  if all(.good) and length == 6 then empty else error("not as it should be") end' "$work/$2"
}
check "policy values, visit" values "$data/hillstrom.csv" visit visit 1e-3 1e-3
check "policy values, conversion" values "$data/hillstrom.csv" conversion conversion 1e-3 1e-3

# On spend the reference's T-learner takes arms by rounding errors (policy-choices.py), which are kept here: the same policy has
# the same values.
# shellcheck disable=SC2317
chosen() {
	paste -d, <(tr -d '\r' <"$data/hillstrom.csv") <(xz -dc "$golden/policy/spend-choices.xz" | fold -w 1 | awk '
		BEGIN { print "best_none,best_mens,best_womens,none,mail_mens,mail_womens" }
		{ print ($1 > 2) "," ($1 == 1) "," ($1 == 2) ",0," ($1 % 2 == 1) "," ($1 % 2 == 0) }') >"$work/chosen.csv"
	values "$work/chosen.csv" spend-chosen spend 1e-6 1e-3
}
check "policy values, spend, the reference's choices" chosen
# Ours takes them by the least squares themselves (numpy.linalg.lstsq gives the same to all digits), and comes out 0.026 apart, a
# fifth of the standard error.
check "policy values, spend" values "$data/hillstrom.csv" spend spend 0.03 0.03

# Counts of LinUCB with a matrix inverted anew for each row that is learned from (numpy.linalg.inv), lambda 1.
# shellcheck disable=SC2016,SC2317
replay() {
	jq -r '
		{"LinUCB 0.1": [21431, 3860, [200, 17675, 3556]], "LinUCB 0.5": [21521, 3808, [607, 14403, 6511]],
		 "LinUCB 1": [21347, 3784, [1350, 13000, 6997]]} as $ref
		| [.replays[] | [.policy, [.kept, .reward, [.arms[].kept]]]] as $ours
		| ($ours[] | "\(.[0]): kept \(.[1][0]), visits \(.[1][1]), by arm \(.[1][2])"),
		  if ($ours | length) == 3 and all($ours[]; . as [$name, $counts] | $ref[$name] == $counts)
		  then "kept, visits and arms equal at 3 alphas" else error("not as it should be") end' "$work/visit"
}
check "LinUCB replayed" replay

# shellcheck disable=SC2016,SC2317
constant() {
	jq -rs 'map([.recommended, .best_constant]) | .[] | if .[0] == .[1] then .[0] else error("recommended: \(.)") end' \
		"$work/visit" "$work/conversion" "$work/spend"
}
check "nothing is recommended over the best constant arm where nothing beats it" constant

# A log whose arms hang on what somebody bought (PROTOCOL.md): naive means are wrong, weighted ones are not.
# shellcheck disable=SC2016,SC2317
confounded() {
	awk -F, -v OFS=, 'NR == 1 { print $0, "propensity"; next }
		{ line = $0; gsub(/"[^"]*"/, "quoted") # a history_segment has a comma in it
		  i = NR - 2; h = (i * 2246822519) % 4294967296; u = int(h / 256) / 16777216
		  b = $9 == "No E-Mail" ? .2 : ($9 == "Womens E-Mail") == ($5 == 1) ? .6 : .2
		  if (u < b / .6) print line, b }' "$data/hillstrom.csv" >"$work/confounded.csv" || return
	evaluate "$work/confounded.csv" confounded || return
	jq -r --slurpfile truth "$work/visit" '
		def r: . * 1e5 | round / 1e5;
		def off($t): (.value - $t) / .se | fabs;
		([$truth[0].policies[] | {key: .policy, value: .estimates.naive.value}] | from_entries) as $true
		| .rows as $rows
		| [.policies[] | $true[.policy] as $t | .estimates
			| {t: $t, naive: (.naive | off($t)), snips: (.SNIPS | off($t)), dr: (.DR | off($t)),
			   says: "truth \($t | r): naive \(.naive.value | r), SNIPS \(.SNIPS.value | r), DR \(.DR.value | r)"}] as $all
		| ($all[] | .says + "; \(.naive | r), \(.snips | r), \(.dr | r) SE off"),
		  "\($rows) rows; SNIPS and DR at most \([$all[] | .snips, .dr] | max | r) SE off, the naive mean up to \([$all[].naive] | max | r)",
		  if ([$all[] | .snips, .dr] | max) <= 2 and ([$all[].naive] | max) > 2 then empty
		  else error("not as it should be") end' "$work/confounded"
}
check "a confounded log" confounded

# bandit LOG: the log, with the probabilities that the other policy gives each item in the row's position.
# shellcheck disable=SC2317
bandit() {
	awk -F, 'NR == FNR { for (k = 1; k <= 3; k++) p[FNR - 1, k] = $k; next }
		FNR == 1 { printf "item_id,position,click,propensity_score"; for (i = 0; i < 34; i++) printf ",p%d", i; print ""; next }
		{ printf "%s,%s,%s,%s", $3, $4, $5, $6; for (i = 0; i < 34; i++) printf ",%s", p[i, $4]; print "" }' \
		"$data/open-bandit-men/obd_pi_bts_men.csv" "$data/open-bandit-men/$1/men.csv"
}
# shellcheck disable=SC2016,SC2317
open_bandit() { # log, policy, name in the reference
	bandit "$1" >"$work/$1.csv" && evaluate "$work/$1.csv" open-bandit || return
	jq -r --arg policy "$2" --arg name "$3" --slurpfile all "$data/reference/obd.json" '
		$all[0][$name] as $ref
		| (.policies[] | select(.policy == $policy)) as $p
		| {"naive": .logged} + ($p.estimates | {IPS, SNIPS, "IPS clip20": ."clipped IPS", DM, DR, "DRos(lam=100)": .DRos})
		| map_values([.value, .se]) + {ESS: [$p.ess, $p.max_weight]}
		| [to_entries[] | {line: "\(.key): ours \(.value), reference \($ref[.key])",
			off: ([.value, $ref[.key]] | transpose | map((.[0] - .[1]) / .[1] | fabs) | max)}]
		| .[].line, "\(length) figures, ESS \($p.ess | round), largest relative difference \(map(.off) | max)",
		  if length == 8 and (map(.off) | max) < 1e-9 then empty else error("not as it should be") end' "$work/open-bandit"
}
check "Open Bandit, random to bts" open_bandit random bts "men random->bts"
check "Open Bandit, bts to random" open_bandit bts random "men bts->random"

# shellcheck disable=SC2016,SC2317
refused() {
	head -n 301 "$work/random.csv" >"$work/few.csv" && evaluate "$work/few.csv" open-bandit || return
	jq -r '(.policies[] | select(.policy == "bts")) as $p
		| if $p.concluded == false and ($p.reason | test("effective sample size")) and .recommended == null then $p.reason
		  else error("concluded") end' "$work/open-bandit"
}
check "a log with a tiny effective sample size is refused" refused
finish
