#!/usr/bin/env bash
# Installs, builds or tests the player: player.sh build | test. Does nothing twice that has not changed.
set -euo pipefail
cd "$(dirname "$0")/../player"
export npm_config_update_notifier=false

if ! command -v npm >/dev/null; then
  echo "player: npm is missing, so the program is built without the player; make setup installs it" >&2
  [ "${1:-build}" = build ]; exit
fi

# npm ci when the lock file is another than the one that was installed.
stamp=node_modules/.stratos-lock
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --no-fund --no-audit --loglevel=error >/dev/null
  cp package-lock.json "$stamp"
fi

built() {
  [ -f dist/web/stratos-player.js ] &&
    [ -z "$(find src pages scripts package-lock.json tsconfig*.json -newer dist/web/stratos-player.js -print -quit)" ]
}
built || npm run --silent build

case ${1:-build} in
build) ;;
test)
  npm run --silent lint
  npm run --silent typecheck
  npm test --silent
  ;;
*) echo "player: unknown command $1: use build or test" >&2; exit 2 ;;
esac
