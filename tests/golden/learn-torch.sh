#!/bin/bash
# Neural networks that PyTorch exports score here as there, and ours load in PyTorch.
# shellcheck source=tests/golden/corpus.bash
. "$(dirname "$0")/corpus.bash"

# Debian's interpreter: python3-torch is there for no other.
output=$(/usr/bin/python3 "$golden/torch-mlp.py" "$tools/model-score" 2>&1)
status=$?
if [ $status -eq 77 ]; then
	echo "ok - learn-torch # SKIP python3-torch is not installed: ${output##*$'\n'}"
	exit 0
fi
# shellcheck disable=SC2317  # called by check
said() {
	echo "$output"
	return "$status"
}
check "neural networks to and from PyTorch" said
finish
