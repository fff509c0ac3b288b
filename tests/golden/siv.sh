#!/bin/bash
# AES-SIV against Project Wycheproof and RFC 5297.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"
need crypto
check "AES-SIV vectors" "$tools/siv-vectors" "$corpus/crypto/aes_siv_cmac_test.json" "$corpus/crypto/rfc5297-vectors.json"
finish
