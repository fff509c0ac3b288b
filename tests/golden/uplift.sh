#!/bin/bash
# Uplift on Hillstrom's e-mails by the protocol of data/learn/PROTOCOL.md: ours beside the reference (reference/uplift.json).
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need learn
data=$corpus/learn
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Out-of-fold scores; the class transformation weighs both sides alike, which the reference does not; they
# differ a little in size.
# shellcheck disable=SC2016,SC2317  # jq's; called by check
uplift() { # mail, learner, name in the reference, what is to be found
	"$build/bin/mailtailor" uplift evaluate --json --draws 200 --learner "$2" --csv "$data/hillstrom.csv" \
		--spec "$golden/uplift/$1.json" >"$work/$1" || return
	jq -r --arg mail "$1" --arg name "$3" --argjson found "$4" --slurpfile all "$data/reference/uplift.json" '
		def r: . * 1e6 | round / 1e6;
		$all[0]["hillstrom_" + $mail + "_vs_none_visit"][$name] as $ref
		| "AUUC \(.auuc.value | r), reference \($ref.oof[1] | r); best 30 % \(.uplift_of_share.value | r), \($ref.oof[2] | r)",
		  "Qini \(.qini.value | r) (SE \(.qini.se | r)), reference \($ref.oof[0] | r) (\($ref.qini_se | r)): "
		  + (if .heterogeneous then "heterogeneity" else "no detectable heterogeneity" end),
		  if .heterogeneous == $found and (.qini.value - $ref.oof[0] | fabs) < 2e-5
			and (.auuc.value - $ref.oof[1] | fabs) < 1e-4 and (.uplift_of_share.value - $ref.oof[2] | fabs) < 3e-3
			and ($found | not) or .qini.value >= 0.0032
		  then empty else error("not as it should be") end' "$work/$1"
}
check "women's mail, two models" uplift womens t T-LR true
check "women's mail, class transformation" uplift womens class ClassTransf-LR true
check "men's mail, two models" uplift mens t T-LR false
check "men's mail, class transformation" uplift mens class ClassTransf-LR false

# Twice the chance for those who bought men's things: rows of an arm are not like all rows. A holdout of another size is no such thing.
# shellcheck disable=SC2016,SC2317
uneven() {
	awk -F, -v OFS=, 'NR == 1 { print $0, "p", "q"; next } { print $0, (/,1,[01],[A-Z]/ ? .6 : .3), (/,No E-Mail,/ ? .25 : .5) }' \
		"$data/hillstrom.csv" >"$work/chances.csv" || return
	for field in p q; do
		jq --arg field "$field" '.propensity = $field' "$golden/uplift/womens.json" >"$work/$field.json" || return
	done
	"$build/bin/mailtailor" uplift evaluate --json --draws 20 --csv "$work/chances.csv" --spec "$work/q.json" >"$work/q" || return
	"$build/bin/mailtailor" uplift evaluate --json --draws 20 --csv "$work/chances.csv" --spec "$work/p.json" 2>"$work/said"
	[ $? = 65 ] && grep 'had propensity 0\.[36] in one row and 0\.[36] in another' "$work/said"
}
check "a chance that hangs on the recipient is refused, one for each arm is not" uneven
finish
