#!/usr/bin/env bash
# Few linters, all obeyed; versions are pinned in tools/go.mod.
set -uo pipefail
root=$(pwd)
bin=$(mktemp -d); trap 'rm -rf "$bin"' EXIT
for tool in gofumpt staticcheck go-errorlint revive; do
  path=$(cd tools && go tool -n "$tool") && ln -s "$path" "$bin/$tool"
done
status=0
files=$(git ls-files '*.go' | grep -v -e '\.pb\.go$' -e '\.connect\.go$')
bad=$("$bin/gofumpt" -l $files); [ -z "$bad" ] || { echo "gofumpt -w these files:"; echo "$bad"; status=1; }
for module in . receipt; do
  cd "$root/$module"
  "$bin/staticcheck" ./... || status=1
  "$bin/go-errorlint" -errorf ./... || status=1
  "$bin/revive" -config "$root/revive.toml" -set_exit_status -exclude ./meta/metapb/... ./... || status=1
done
exit $status
