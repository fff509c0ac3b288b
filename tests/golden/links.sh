#!/bin/bash
# What the HTML scanner sees of links and body ends, against parse5.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need campaigns
have_node
check "links and body ends as parse5 sees them" node "$golden/links-parse5.mjs" "$tools/html-tokens" "$corpus/campaigns"
finish
