#!/usr/bin/env bash
# Runs the tests of every Go module given; fails when one fails, after all have run.
set -uo pipefail
status=0
for module in "$@"; do
  echo "== go test, module $module"
  (cd "$module" && go test -timeout 20m ./...) || status=1
done
echo "== race detector, concurrent rooms"
go test -race -short -timeout 20m ./sds/... ./meta/... ./router/... ./edge/... ./origin/... ./internal/... || status=1
exit $status
