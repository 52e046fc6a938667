#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs (test, bench, proto) and are not there yet.
set -euo pipefail
purpose=${1:-test}

command -v go >/dev/null || { echo "setup: Go 1.26 or newer is missing: see https://go.dev/doc/install" >&2; exit 1; }

# program:package
case $purpose in
test) wanted="redis-server:redis-server redis-cli:redis-tools ip:iproute2 unshare:util-linux ffmpeg:ffmpeg ffprobe:ffmpeg chromium:chromium node:nodejs npm:npm" ;;
bench) wanted="nginx:nginx-light varnishd:varnish wrk:wrk h2load:nghttp2-client openssl:openssl ffmpeg:ffmpeg chromium:chromium" ;;
proto) wanted="protoc:protobuf-compiler" ;;
*) echo "setup: unknown purpose $purpose: use test, bench or proto" >&2; exit 2 ;;
esac

missing=()
for pair in $wanted; do
  PATH=$PATH:/usr/sbin command -v "${pair%%:*}" >/dev/null && continue
  case " ${missing[*]-} " in *" ${pair#*:} "*) ;; *) missing+=("${pair#*:}") ;; esac # ffmpeg brings ffprobe
done
[ ${#missing[@]} = 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup: please install these programs yourself: ${missing[*]}" >&2; exit 1
fi
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
  echo "setup: run as root, or install sudo: these packages are missing: ${missing[*]}" >&2; exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The packages bring services; only the programs are wanted, so none may start.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null; $sudo chmod +x $policy
  trap '$sudo rm -f $policy' EXIT
fi
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
