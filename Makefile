# Signet's targets: people and CI call the same ones. `make help` lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Every module builds on its own (as the images do), so that none leans on what another one requires.
export GOWORK := off

MODULES   := $(sort $(patsubst %/,%,$(dir $(shell find . -name go.mod -not -path '*/testdata/*'))))
CONTAINER := ./deploy/e2e
LIBRARIES := $(filter ./pkg/%,$(MODULES))
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

GOFUMPT      := mvdan.cc/gofumpt@v0.12.0
GOLANGCILINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK  := golang.org/x/vuln/cmd/govulncheck@v1.9.0

FUZZTIME ?= 60s
DEMO_RATE ?= 1
BENCH ?=
KILLS ?= 200
OUTAGE ?= 30s
RECEIVER_PORT ?= 8000
RECEIVER_ADMIN_PORT ?= 8001
PRODUCER_PORT ?= 8080
PRODUCER_ADMIN_PORT ?= 8081

# in-each runs one command in each of some modules, goes on after a failure, and names at the end which ones failed.
define in-each
@failed=; for module in $(1); do \
  echo "--- $$module"; \
  (cd $$module && $(2)) || failed="$$failed $$module"; \
done; [ -z "$$failed" ] || { echo "$@: FAILED in$$failed" >&2; exit 1; }
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  Variables: FUZZTIME ($(FUZZTIME)), KILLS ($(KILLS)), OUTAGE ($(OUTAGE)), DEMO_RATE, RECEIVER_PORT, …, REQUIRE_DOCKER=1, REQUIRE_VULNDB=1, VERSION."

.PHONY: test
test: test-modules test-containers ## vet and all tests with the race detector, those in containers too (REQUIRE_DOCKER=1: no engine is a failure)

.PHONY: crash
crash: ## kill a process under load KILLS times on each engine, at every point of its work, and look at each wreck (about 25 minutes)
	cd pkg/relay && go test -race -count=1 -timeout=2h -v -run '^TestStore_SurvivesSIGKILL$$' . -args -crash.kills=$(KILLS)

.PHONY: chaos
chaos: ## disks that fill up, files that are damaged, a PostgreSQL that is away for OUTAGE, processes that are stopped, clocks that are set (about 8 minutes)
	cd pkg/relay && go test -race -count=1 -timeout=1h -v . -args -outage=$(OUTAGE) \
	  -test.run='^Test(Open_Of|Store_FileFaults|Store_WriterThatIsBehind|Effect_ThatHangsOrPanics|Postgres_AwayUnderLoad|Postgres_Stopped|Postgres_TwoReplicas|SQLite_)'
	cd services/receiver && go test -race -count=1 -timeout=1h -v ./internal/app -args -outage=$(OUTAGE) -test.run='^TestApp_(fileFaults|postgresAway)$$'

.PHONY: test-modules
test-modules: ## vet and all tests that need no container
	$(call in-each,$(filter-out $(CONTAINER),$(MODULES)),go vet ./... && go test -race -timeout=20m ./...)
	@echo "--- ./pkg/relay: rates, which mean nothing under the race detector"
	@cd pkg/relay && go test -count=1 -run '^TestIsolation_' .

# Never from the cache: what these look at are images and containers, which go test knows nothing of.
.PHONY: test-containers
test-containers: ## the tests against real containers, alone
	$(call in-each,$(CONTAINER),go vet ./... && go test -race -count=1 -timeout=20m ./...)
	@docker info >/dev/null 2>&1 || { \
	  printf '\n*** NO DOCKER ENGINE ANSWERS: the tests against real containers were SKIPPED. ***\n\n' >&2; \
	  [ "$$REQUIRE_DOCKER" != 1 ]; }

# Each service runs in a process group of its own (set -m), because `go run` passes no signal on: Ctrl-C, or the end of
# either service, interrupts both groups and waits for them.
.PHONY: demo
demo: SHELL := bash
demo: ## both services on this terminal with go run, without Docker; what they keep lies in .demo/, Ctrl-C stops both
	@mkdir -p .demo
	@cd services/producer && go run . secret --quiet --file "$(CURDIR)/.demo/webhook_secret"
	@export LOG_FORMAT=$${LOG_FORMAT:-console}; \
	stop() { trap '' INT TERM USR1; kill -INT -- $${receiver:+-$$receiver} $${producer:+-$$producer} 2>/dev/null; wait; exit $$1; }; \
	trap 'stop 0' INT TERM; trap 'stop 1' USR1; \
	set -m; \
	(cd services/receiver && \
	  RECEIVER_ADDR=127.0.0.1:$(RECEIVER_PORT) RECEIVER_ADMIN_ADDR=127.0.0.1:$(RECEIVER_ADMIN_PORT) \
	  RECEIVER_DATABASE_URL="sqlite:$(CURDIR)/.demo/receiver.db" WEBHOOK_SECRET_FILE="$(CURDIR)/.demo/webhook_secret" \
	  go run . serve; kill -USR1 $$$$) & receiver=$$!; \
	(cd services/producer && \
	  PRODUCER_ADDR=127.0.0.1:$(PRODUCER_PORT) PRODUCER_ADMIN_ADDR=127.0.0.1:$(PRODUCER_ADMIN_PORT) \
	  PRODUCER_DATABASE_URL="sqlite:$(CURDIR)/.demo/producer.db" PRODUCER_RETRY_SCHEDULE=0s,1s,2s,5s,10s,30s,1m,5m,30m,2h \
	  PRODUCER_ENDPOINTS=http://127.0.0.1:$(RECEIVER_PORT)/webhook PRODUCER_ENDPOINTS_SECRET_FILE="$(CURDIR)/.demo/webhook_secret" \
	  PRODUCER_ALLOW_PRIVATE_TARGETS=127.0.0.1:$(RECEIVER_PORT) DEMO=true DEMO_RATE=$(DEMO_RATE) \
	  go run . serve; kill -USR1 $$$$) & producer=$$!; \
	set +m; \
	wait

.PHONY: images
images: ## build signet/receiver and signet/producer
	docker build -f deploy/docker/Dockerfile --build-arg SERVICE=receiver --build-arg VERSION=$(VERSION) -t signet/receiver .
	docker build -f deploy/docker/Dockerfile --build-arg SERVICE=producer --build-arg VERSION=$(VERSION) -t signet/producer .

.PHONY: check
check: format-check vet tidy-check lint vulnerabilities ## everything that reads the code without running it

.PHONY: format
format: ## rewrite every Go file as gofumpt has it
	@go run $(GOFUMPT) -w $(MODULES)

.PHONY: format-check
format-check: ## fail when gofumpt would change a file
	@unformatted=$$(go run $(GOFUMPT) -l $(MODULES)) && [ -z "$$unformatted" ] || { echo "make format would change:" $$unformatted >&2; exit 1; }

.PHONY: vet
vet: ## go vet in every module
	$(call in-each,$(MODULES),go vet ./...)

.PHONY: tidy-check
tidy-check: ## fail when go mod tidy would change a module
	$(call in-each,$(MODULES),go mod tidy -diff)

.PHONY: lint
lint: ## golangci-lint in every module (built from source the first time, which takes minutes)
	$(call in-each,$(MODULES),go run $(GOLANGCILINT) run --allow-parallel-runners --config=$(CURDIR)/.golangci.yml ./...)

# An unreachable database is no finding, so it fails only where somebody asks for it.
.PHONY: vulnerabilities
vulnerabilities: ## govulncheck in every module (REQUIRE_VULNDB=1: an unreachable database is a failure)
	@if curl -fsS -m 10 -o /dev/null https://vuln.go.dev/index/db.json; then $(MAKE) --no-print-directory govulncheck; else \
	  printf '\n*** vuln.go.dev DOES NOT ANSWER: known vulnerabilities were NOT looked up. ***\n\n' >&2; \
	  [ "$$REQUIRE_VULNDB" != 1 ]; fi

.PHONY: govulncheck
govulncheck:
	$(call in-each,$(MODULES),go run $(GOVULNCHECK) ./...)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	$(call in-each,$(MODULES),for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; done)

.PHONY: bench
bench: ## the services beside what one could write by hand, as ratios within one run, about 14 minutes and 20 GB of disk (BENCH="-rounds 1 -only ingest")
	cd deploy/bench && go run . $(BENCH)

.PHONY: bench-libraries
bench-libraries: ## the libraries' own Go benchmarks
	$(call in-each,$(LIBRARIES),go test -run '^$$' -bench . -benchmem ./...)
