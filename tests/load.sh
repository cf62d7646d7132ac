#!/usr/bin/env bash
# A minute of load, or as many seconds as are named, in a release build: no wrong verdict, no 5xx, memory that stays.
#
#   tests/load.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
export NARROWGATE_LOAD_SECONDS="${1:-60}"
exec cargo test --release --locked --test it -- --exact --nocapture load::under_load_no_verdict_is_wrong_and_memory_stays
