#!/bin/bash
# The campaigns of conf/campaigns, rendered for several recipients: see campaigns.pl.
exec perl "$(dirname "$0")/campaigns.pl" "${MT_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}"
