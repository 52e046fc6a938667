# Every command of the repository. `make help` lists them.

MODULES := . receipt
GO      ?= go
SHELL   := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

## setup: install what is missing (Debian packages); does nothing when all is there
setup:
	@scripts/setup.sh test

## build: leave the programs in bin/
build: player
	@mkdir -p bin
	$(GO) build -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

## player: build the viewer's player into player/dist, when its sources have changed
player:
	@scripts/player.sh build

## demo: set up, build, start a network of separate processes, publish a folder and a video (MEDIA=file), print their URLs, run until Ctrl-C
demo: setup build
	@scripts/demo.sh

## up: start the same network in .stratos without publishing anything
up: build
	bin/stratos up --edges 5

## test: set up and run every check and every test of every module
test: setup lint-fast
	@scripts/player.sh test
	@scripts/test.sh $(MODULES)

## race: the concurrent rooms under the race detector
race:
	$(GO) test -race -count=1 ./sds/... ./meta/... ./router/... ./edge/... ./origin/... ./internal/... ./plugins/...

## e2e: the whole as a black box: real processes, faults
e2e: setup build
	$(GO) test -count=1 -v ./e2e/...

lint-fast:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt -w these files:"; echo "$$bad"; exit 1; }
	@for m in $(MODULES); do (cd $$m && $(GO) vet ./...); done

## lint: gofumpt, go vet, staticcheck, errorlint, revive's documentation rules
lint: lint-fast
	@scripts/lint.sh

## fuzz: every fuzz target for FUZZTIME (10s) each
fuzz:
	@scripts/fuzz.sh

## bench: benchmarks, and delivery side by side with nginx, Varnish and Caddy
bench: build
	@scripts/setup.sh bench
	@scripts/bench.sh

## proto: make the generated RPC code again
proto:
	@scripts/setup.sh proto
	meta/proto/generate.sh

## help: this list
help:
	@sed -n 's/^## //p' Makefile | awk -F': ' '{printf "  make %-8s %s\n", $$1, substr($$0, length($$1)+3)}'

.PHONY: setup build player demo up test race e2e lint-fast lint fuzz bench proto help
