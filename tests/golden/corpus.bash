# For the corpus runners beside it: where things are, and TAP lines. Sourced with bash, from anywhere.
#   MT_BUILD   build directory with tests/, bin/ and plugins/ (default build)
#   CORPUS     folder of the third-party corpora (default ../shared/data)
set -uo pipefail
golden=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$golden/../.." && pwd)
cd "$root" || exit 1
build=${MT_BUILD:-$root/build}
corpus=$(realpath -m "${CORPUS:-../shared/data}")
# shellcheck disable=SC2034  # for those who source this
tools=$build/tests
count=0 failed=0

# need FOLDER…: without one of the corpora this program has nothing to say.
need() {
	local folder
	for folder in "$@"; do
		[ -d "$corpus/$folder" ] && continue
		echo "ok - $(basename "$0" .sh) # SKIP corpus not found: $folder (set CORPUS)"
		exit 0
	done
}

# have_node: npm packages are there, or get there; parsers that are not ours come from npm.
have_node() {
	if ! command -v node >/dev/null; then
		echo "ok - $(basename "$0" .sh) # SKIP node is not installed"
		exit 0
	fi
	"$root/tests/integration/prepare" || exit 1
}

# check NAME COMMAND…: one test. What it prints becomes comments, its last line the figures behind the name.
check() {
	local name=$1 out rc figures
	shift
	count=$((count + 1))
	out=$("$@" 2>&1)
	rc=$?
	figures=$(tail -n 1 <<<"$out")
	if [ $rc -eq 0 ]; then
		echo "ok $count - $name: $figures"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name: $figures"
		echo "# exit $rc"
	fi
	head -n -1 <<<"$out" | head -n 60 | cut -c1-400 | sed 's/^/# /'
}

finish() {
	echo "1..$count"
	[ $failed -eq 0 ] && [ $count -gt 0 ]
	exit
}
