#!/usr/bin/env bash
# A minute of reloads under full load, or as many seconds as are named, in a release build: no request that fails or is
# misjudged, each verdict by the one configuration that its log line names, memory that stays.
#
#   tests/storm.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
export NARROWGATE_STORM_SECONDS="${1:-60}"
exec cargo test --release --locked --test it -- --exact --nocapture \
    reload::storm::no_request_fails_or_is_misjudged_while_the_configuration_changes
