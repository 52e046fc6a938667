#!/usr/bin/env bash
# Runs every fuzz target of every module for FUZZTIME each.
set -euo pipefail
root=$(pwd)
for module in . receipt; do
  cd "$root/$module"
  grep -rlE '^func Fuzz' --include='*_test.go' . | grep -v -e '^./receipt/' -e node_modules | sort | while read -r file; do
    grep -oE '^func (Fuzz[A-Za-z0-9_]+)' "$file" | awk '{print $2}' | while read -r target; do
      echo "== $(dirname "$file") $target"
      go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 100x "$(dirname "$file")"
    done
  done
done
