#!/usr/bin/env bash
# Go benchmarks of the rooms, then delivery side by side (e2e/bench -h has the options; BENCH passes some).
set -euo pipefail
cd "$(dirname "$0")/.."
for module in . receipt; do
  (cd $module && go test -run '^$' -bench . -benchmem ./...) | grep -v -e '^ok' -e '^PASS' -e 'no test files' || true
done
go build -o bin/bench ./e2e/bench
# shellcheck disable=SC2086
for what in delivery transfer idle; do
  echo; echo "## $what"
  bin/bench -stratos bin/stratos -what $what ${BENCH:-}
done
echo; echo "## video"
bin/bench -stratos bin/stratos -what video -rounds 20
