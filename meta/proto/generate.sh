#!/bin/sh
# Writes meta/metapb from the .proto files beside this script. Needs protoc (on
# Debian: apt install protobuf-compiler libprotobuf-dev) and Go; the plug-ins are
# built at the versions that go.mod names. Running it again changes nothing.
set -eu
cd "$(dirname "$0")/../.."

plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
go build -o "$plugins/" \
	google.golang.org/protobuf/cmd/protoc-gen-go \
	connectrpc.com/connect/cmd/protoc-gen-connect-go

module=github.com/stratos-mesh/stratos
out=$plugins/out
mkdir "$out"
protoc --proto_path=meta/proto \
	--plugin="$plugins/protoc-gen-go" --go_out="$out" --go_opt=module=$module \
	--plugin="$plugins/protoc-gen-connect-go" --connect-go_out="$out" --connect-go_opt=module=$module,simple \
	meta/proto/stratos/meta/v1/*.proto

# Which protoc it was makes no difference to the code.
find "$out" -name '*.go' -exec sed -i 's|^// 	protoc  .*|// 	protoc        (any)|' {} +
rm -rf meta/metapb
cp -R "$out/meta/metapb" meta/metapb
