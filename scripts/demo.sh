#!/usr/bin/env bash
# Starts a network in .stratos, publishes a folder, prints its URLs, and keeps running until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${STRATOS_DIR:-.stratos}
stratos=bin/stratos

sleeper=
trap '[ -z "$sleeper" ] || kill $sleeper; $stratos down --dir "$dir" || true' EXIT
$stratos up --dir "$dir" --edges 5 --detach
$stratos put --dir "$dir" scripts/demo-site demo/site
router=$(sed -n 's/.*"router": "\(.*\)",/\1/p' "$dir/network.json")

cat <<END

The folder is published. Open it, or fetch it as a client somewhere else:

  $router/demo/site/
  curl -L $router/demo/site/index.html
  curl -L -H 'X-Forwarded-For: 198.18.2.7' $router/demo/site/index.html   # from Singapore
  $stratos route demo/site --from 198.18.1.7                              # why this edge, from Ashburn
  $stratos status

Ctrl-C stops the network; its content stays in $dir.
END
trap 'exit 0' INT TERM
sleep infinity & sleeper=$!
wait $sleeper
