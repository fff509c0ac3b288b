#!/bin/bash
# Real and hostile mail through a live mailtailord, in the milter protocol: as ordinary mail, as campaign mail, and from a
# client that may not name campaigns.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need mime mime-hostile
have_node
dir=$(mktemp -d "${TMPDIR:-/tmp}/mailtailor-milter.XXXXXX")
daemon=
# shellcheck disable=SC2317  # run by the trap
cleanup() {
	[ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon"
	rm -rf "$dir"
}
trap cleanup EXIT

cat >"$dir/conf" <<END
state { directory = "$dir/state" map_size = "64M" }
keys { file = "$dir/keys" }
track { host = "https://t.shop.example" }
milter { socket = "unix:$dir/milter.sock" log_level = "warning" }
campaign "plain" { templates = no }
campaign "templates" { }
END
"$build/bin/mailtailor" key generate --file "$dir/keys" >/dev/null || exit 1
"$build/bin/mailtailord" -c "$dir/conf" 2>"$dir/log" &
daemon=$!
for _ in $(seq 100); do
	[ -S "$dir/milter.sock" ] && break
	sleep 0.1
done
find -L "$corpus/mime" "$corpus/mime-hostile" -type f | sort >"$dir/list"

# pass KIND NAME CLIENT-OPTION…: one way through the milter, judged
pass() {
	local kind=$1 name=$2 sent judged
	shift 2
	mkdir "$dir/out"
	"$tools/milter-client" -o "$dir/out" "$@" "$dir/milter.sock" <"$dir/list" >"$dir/told" 2>"$dir/trouble"
	sent=$?
	judged=$(node "$golden/milter-check.mjs" "$tools" "$dir/keys" "$kind" "$name" <"$dir/told")
	count=$((count + 1))
	if [ $sent -eq 0 ] && [[ $judged == ok* ]] && [ "$(wc -l <"$dir/told")" -eq "$(wc -l <"$dir/list")" ]; then
		echo "ok $count${judged#ok 1}" | head -n 1
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		echo "$judged" | head -n 40 | sed 's/^/# /'
		head -n 20 "$dir/trouble" | sed 's/^/# /'
		tail -n 5 "$dir/log" | sed 's/^/# /'
	fi
	rm -rf "$dir/out"
}
pass ordinary "ordinary mail"
pass ordinary "ordinary mail, an MTA that wants every answer" -b
pass plain "campaign mail, templates off" -c plain -i
pass plain "campaign mail, an MTA that wants every answer" -c plain -b -s 2
pass templates "campaign mail, templates on" -c templates
pass stripped "an untrusted client names a campaign" -c plain -a 192.0.2.1

# All at once: sessions of many connections cross, each message is answered.
# shellcheck disable=SC2317  # run by check
crowd() {
	local files
	mapfile -t files <"$dir/list"
	"$tools/milter-client" -r 1500 -m 8 "$@" "$dir/milter.sock" "${files[@]}"
}
check "8 connections, ordinary mail" crowd
check "8 connections, campaign mail" crowd -c templates -t 'u%@customers.example'

count=$((count + 1))
if kill "$daemon" && wait "$daemon"; then
	echo "ok $count - mailtailord lives through all of it and ends when told"
else
	echo "not ok $count - mailtailord: exit $?"
	tail -n 30 "$dir/log" | sed 's/^/# /'
	failed=$((failed + 1))
fi
daemon=
finish
