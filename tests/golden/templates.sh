#!/bin/bash
# Templates against the public specifications: Mustache whole, Handlebars but for what waived-handlebars.txt explains.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need template/mustache-spec template/handlebars-spec
check "Mustache specification" "$tools/template-spec" mustache "$corpus/template/mustache-spec"
check "Handlebars specification" "$tools/template-spec" handlebars "$corpus/template/handlebars-spec" "$golden/waived-handlebars.txt"
finish
