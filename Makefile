# make run     install what is missing, start a server for development
# make test    install what the tests need, run all of them
# make help    the rest

GO      ?= go
# The Opus codec is built in where libopus is installed.
TAGS     = $$(pkg-config --exists opus 2>/dev/null && echo -tags=opus,nolibopusfile)
# ONCE=1: a failed test gets no second try.
BUDGET  := $(GO) run ./internal/testbudget -budgets scripts/test-budgets.txt $(if $(ONCE),,-again)
# Packages with tests that want real sockets or a browser: those that import
# internal/testenv in their tests.
REAL     = $$($(GO) list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}} ' ./... | grep -E ' [^ ]*/internal/testenv ' | cut -d' ' -f1)
# Cores and small shells, whose tests are quick enough to run with the race
# detector.
RACE     = ./bwe/... ./codec/... ./internal/... ./sfu/... ./turn/... ./cmd/rivulet/...

.NOTPARALLEL:
.PHONY: run build test test-pure test-real test-long voice-table check bench lab freezes signalling docs help

run: ## install what is missing (libopus, pkg-config), start a server for development
	@scripts/install.sh run
	$(GO) run $(TAGS) ./cmd/rivulet serve --dev $(ARGS)

build: ## build bin/rivulet
	$(GO) build $(TAGS) -o bin/rivulet ./cmd/rivulet

test: ## install what the tests need (Chromium, libopus), run all tests within their budgets
	@scripts/install.sh test
	@$(MAKE) --no-print-directory test-pure test-real

test-pure: ## phase 1: virtual time and memory only
	@echo "phase 1: virtual time, no sockets, no browser"
	@$(BUDGET) -phase pure -- $(GO) test $(TAGS) -json ./...

test-real: ## phase 2: real sockets and a real browser, one package after the other
	@echo "phase 2: real sockets on loopback, real Chromium"
	@RIVULET_TEST_SOCKETS=1 RIVULET_TEST_BROWSER=1 $(BUDGET) -phase real -- $(GO) test $(TAGS) -json -count=1 -p 1 -timeout 8m $(REAL)

test-long: voice-table ## fuzz every parser for a minute each, race everything, measure voice in a browser
	RIVULET_TEST_LONG=1 RIVULET_TEST_SOCKETS=1 $(GO) test $(TAGS) -count=1 ./sfu/signal/natsbus ./internal/fault
	RIVULET_TEST_LONG=1 $(GO) test $(TAGS) -count=1 -timeout 20m -run TestRandomPaths ./bwe
	RIVULET_TEST_LONG=1 RIVULET_TEST_SOCKETS=1 RIVULET_TEST_BROWSER=1 $(GO) test $(TAGS) -count=1 -timeout 20m -run 'TestScalableOnALossyPath|TestTemporalLayers|TestEveryCodecHasThreeSizes|TestOlderRepairPackets|TestLimitOfABrowserWithoutSDK' ./internal/e2e
	$(GO) test $(TAGS) -race ./...
	scripts/fuzz.sh 60s

voice-table: ## measure Chromium's voice behind thin links (nine minutes), write it into docs/measurements/voice.md
	RIVULET_TEST_SOCKETS=1 RIVULET_TEST_BROWSER=1 $(GO) test $(TAGS) -count=1 -v -timeout 20m ./internal/e2e -run VoiceTable -voicetable ../../docs/measurements/voice.md

check: ## format, vet, staticcheck, types of the TypeScript, the shape of the repository, races, build without cgo
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	$(GO) vet ./... && $(GO) vet $(TAGS) ./...
	$(GO) tool staticcheck ./...
	@scripts/install.sh check && scripts/types.sh
	$(GO) test ./internal/arch
	$(GO) test $(TAGS) -race $(RACE)
	CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/rivulet

bench: ## benchmarks of the packet path, with allocations
	RIVULET_TEST_SOCKETS=1 $(GO) test $(TAGS) -run '^$$' -bench . -benchmem ./bwe/... ./codec/... ./internal/udp ./sfu/... ./turn/... ./loadtest/...

lab: ## run every scenario in virtual time, write docs/measurements/lab.*, and full*.md beside pion's gcc
	@mkdir -p docs/measurements
	$(GO) run $(TAGS) ./cmd/rivulet lab run --suite all --no-fail --json docs/measurements/lab.json --markdown docs/measurements/lab.md --html docs/measurements/lab.html
	$(GO) run $(TAGS) ./cmd/rivulet lab run --suite core --backend full --cc rivulet,pion-gcc --seeds 3 --no-fail --markdown docs/measurements/full.md
	$(GO) run $(TAGS) ./cmd/rivulet lab run --suite rfc8867 --backend full --cc rivulet,pion-gcc --seeds 1 --no-fail --markdown docs/measurements/full-rfc8867.md

signalling: ## what a join and changes cost in bytes and round trips, as in docs/measurements/signalling.md
	@$(GO) test $(TAGS) -count=1 -v -run 'WhatAJoinCosts|CompactJoin|Sizes' ./sfu/client ./sfu/signal/ws ./sfu/compact ./sfu/peer/brief | grep -E 'bytes|[|]'

freezes: ## how long pictures stand still with and without repair, told and untold publishers: docs/measurements/freezes.md
	$(GO) run $(TAGS) ./cmd/rivulet lab freezes --markdown docs/measurements/freezes.md

docs: ## write the tables in docs/operations anew
	$(GO) test ./cmd/rivulet/config ./cmd/rivulet/node -run 'Documented' -update

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
