#!/usr/bin/env bash
# Starts a three-node cluster on this machine and runs on it the suites that hold there, and those that need it.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
chmod 755 "$folder"
.venv/bin/python -m tests.citus_cluster "$folder" >"$folder/url" &
cluster=$!
trap 'kill $cluster; wait $cluster; rm -rf "$folder"' EXIT
for _ in $(seq 120); do
    [ -s "$folder/url" ] && break
    kill -0 $cluster
    sleep 0.5
done
suites=(tests/integration/{citus,loading,pipeline,api})
SHIFTS_TEST_CITUS=$(cat "$folder/url") .venv/bin/python -m pytest "${@:-${suites[@]}}"
