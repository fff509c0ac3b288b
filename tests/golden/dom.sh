#!/bin/bash
# Copies of campaign pages and of real mail: outside wrapped hrefs and one pixel no byte and no node of parse5's DOM
# differs, and every token opens to the URL that stood there.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
have_node
exec node "$golden/dom-compare.mjs" "$tools" "$corpus"
