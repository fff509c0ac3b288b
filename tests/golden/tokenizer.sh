#!/bin/bash
# The HTML tokenizer against html5lib's cases: every tag with its attributes and their values.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need html-tokenizer
check "html5lib tokenizer cases" "$tools/html5lib" "$corpus"/html-tokenizer/*.test
finish
