#!/bin/bash
# Parts of real and hostile mail: ranges lie in bounds and in each other, text written again unedited is the same bytes.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need mime mime-hostile
check "real mail" "$tools/mail-corpus" "$corpus/mime"
check "hostile mail" "$tools/mail-corpus" "$corpus/mime-hostile"
finish
