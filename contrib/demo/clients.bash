# shellcheck shell=bash
# shellcheck disable=SC2154  # demo, out, dir, track: set by run
# Who answers the copies, by HTTP as mail programs, people, proxies and scanners do. Sourced by run.

PHONE='Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148'
BROWSER='Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0'
GMAIL_PROXY='Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)'

# All URLs of a copy that lead to the endpoint: link.pl finds them.
links() { perl "$demo/links.pl" "$out/copies/$1.eml" "$2"; }

# The public name stands in the mail; here the endpoint listens without the proxy that has the certificate.
fetch() { # user agent, URL, more for curl: status, and where it leads
	local agent=$1 url=$2
	shift 2
	curl -sS -m 20 -o /dev/null -A "$agent" -w '%{http_code} %{redirect_url}\n' "$@" "${url/#https:\/\/t.shop.example/http:\/\/127.0.0.1:$track}"
}

answers() { # what was asked, what came, what should
	printf '  %-66s %s\n' "$1" "${2:0:60}"
	# shellcheck disable=SC2053  # $3 is a pattern
	[[ $2 == $3 ]] || wrong "$1: $2, not $3"
}

anna_reads_and_buys() {
	local url click target body now
	answers "anna opens her copy on her telephone" "$(fetch "$PHONE" "$(links anna o)")" "200 *"
	url=$(links anna c | tail -n 1)
	target=$(fetch "$PHONE" "$url")
	answers "anna follows the link to her box" "$target" "302 https://shop.example/box*mtid=*"
	# The shop knows whose click it was by the id in its URL, and reports what she bought, signed with its secret.
	click=${target##*mtid=}
	body='[{"id": "order-4711", "type": "purchased", "click": "'${click%%&*}'", "value": 23.4, "currency": "EUR", "item": "spring box"}]'
	now=$(date +%s)
	answers "the shop reports that she has bought for 23.40 EUR" "$(curl -sS -m 20 "http://127.0.0.1:$track/v1/events" -H "X-Mailtailor-Shop: orchard" \
		-H "X-Mailtailor-Time: $now" -H "X-Mailtailor-Signature: $(printf '%s\n%s' "$now" "$body" |
			openssl dgst -sha256 -hmac "$(mt key shop orchard)" -r | cut -d' ' -f1)" -d "$body")" '{"accepted":1}'
}

carol_unsubscribes() {
	answers "carol's mail is opened through Google's image proxy" "$(fetch "$GMAIL_PROXY" "$(links carol o)")" "200 *"
	answers "her mail program unsubscribes her: one POST (RFC 8058)" \
		"$(fetch "" "$(links carol u | head -n 1)" --data List-Unsubscribe=One-Click)" "200 "
}

dave_chooses() {
	answers "dave opens his preferences: one mail a month at most, and he may be tracked" \
		"$(fetch "$BROWSER" "$(links dave p)" --data 'save=yes&category=promo&often=month&tracking=yes')" "200 "
}

erin_is_scanned() {
	local url n=0 method
	while read -r url; do
		for method in -I -G; do fetch "$BROWSER" "$url" $method >/dev/null && n=$((n + 1)); done
	done < <(links erin '[couop]')
	answers "a scanner at erin's follows all that her copy links to, unsubscribing too" "$n requests" "[1-9]* requests"
}

frank_bounces() { # the report that Postfix sent back to the copy's own return path
	local report
	report=$(grep -lE '^X-Rcpt-Args: <bounces\+' "$dir"/dump/* | head -n 1)
	sed -E '/^X-(Client|Helo|Mail|Rcpt)[-A-Za-z]*:/d' "$report" >"$out/copies/bounce.eml"
	answers "frank's mailbox is no more; mailtailor feedback reads Postfix' report" \
		"$(mt feedback --apply --json --recipient "$(sed -nE 's/^X-Rcpt-Args: <([^>]*)>.*/\1/p' "$report")" <"$out/copies/bounce.eml" |
			tr -d '\n' | sed -E 's/.*"kind": *"([a-z-]+)".*"status": *"([0-9.]+)".*/\1 \2/')" "bounce 5.1.1"
}
