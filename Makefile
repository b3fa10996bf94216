GO          ?= go
GOLANGCI    ?= $(GO) tool -modfile=tools/go.mod golangci-lint
HOSTS       ?= web[01-03]
VERSION     ?= $(shell (git describe --tags --match 'v[0-9]*' --dirty || git describe --always --abbrev=12 --dirty --exclude '*' | sed 's/^/devel-/') 2>/dev/null | sed 's/^v//')
RUNTESTS     = $(GO) run ./internal/testlab/runtests
# The race detector leaves out SQLite, which is translated from C and would take twice as long, and
# blowfish, which decrypts keys. It still finds two goroutines that use one connection, in the
# package that calls SQLite. The target check runs vet on its own.
INSTRUMENTED = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=golang.org/x/crypto/blowfish=-race=false
RACE         = -vet=off $(INSTRUMENTED)
PLATFORMS   := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
LDFLAGS      = -s -w $(if $(VERSION),-X warren/internal/version.release=$(VERSION))
# need installs the Debian packages whose commands are missing, from a list of COMMAND:PACKAGE.
need         = @missing=; for p in $(1); do command -v $${p%:*} >/dev/null || missing="$$missing $${p\#*:}"; done; [ -z "$$missing" ] || .ci/rabbitmq $$missing

.DEFAULT_GOAL := help
.PHONY: help demo build floor test test-quick downloads check allocs allocs-record unit stress faults model bench bench-full bench-read cluster brokers cost fuzz windows cross packages packages-test packaging-tools pika mandoc peers rabbitmq clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: rabbitmq build ## a private RabbitMQ, three agents, and the REPL on them
	@if [ -t 0 ]; then set -m; fi; bin/warren-lab --hosts "$(HOSTS)" # with -m, Ctrl-C reaches the prompt and not make

build: ## the programs, into bin/
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/warren ./cmd/warrend ./cmd/warren-lab

floor: build
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./internal/testlab/warren-floor

test: downloads rabbitmq pika mandoc peers check allocs unit ## everything that is checked: vet, linters, format, allocations, all tests with -race

test-quick: ## vet and tests of the packages that need no broker, with -race; leaves out slow packages and tests
	@$(RUNTESTS) -quick -vet=all $(INSTRUMENTED) -short -timeout 10m

downloads: # prints what a first run downloads
	@.ci/downloads

check: ## vet and golangci-lint, which checks the format too (.golangci.yml)
	$(GO) vet ./...
	$(GOLANGCI) run

allocs: ## allocations of the hot paths against those recorded in .ci/allocs.txt
	@.ci/allocs

allocs-record: ## record them anew
	@.ci/allocs record

# The slowest packages start first, so that none of them runs alone at the end.
unit: ## all tests, with the race detector, against a real RabbitMQ that they start
	@$(RUNTESTS) $(RACE) -timeout 90m ./cmd/warren ./internal/testlab/lab ./repl ./internal/agent/process ./internal/broker ./cmd/... ./internal/testlab/... ./...

stress: rabbitmq ## 20 tasks at the same time at 500 hosts, on its own
	$(GO) test $(RACE) -count=1 -run TestStress -v -timeout 30m ./internal/testlab/lab/ -tasks=20

faults: rabbitmq ## every row of the fault matrix: a real RabbitMQ, real processes, real kills
	$(GO) test -count=1 -run TestFaults -v -timeout 60m ./internal/testlab/faults -full

model: ## search the model of operator, link and agent for a broken guarantee (ROUNDS of 1000, default 5)
	$(GO) test -count=1 -run TestModel -timeout 60m ./executor -model=$(or $(ROUNDS),5) -rapid.checks=1000

bench: rabbitmq floor ## Warren against what AMQP itself costs, side by side; PART=push, collect, ... (see docs/performance.md)
	@bin/warren-lab bench $(PART)

bench-full: rabbitmq floor ## every measurement of docs/performance.md
	@bin/warren-lab bench all

bench-read: ## what reading the results of 10,000 hosts costs: first screen, processor, memory; fold, diff
	$(GO) test -run XXX -bench 'CheckTask|Fold|Frame|Diff' -benchtime 3x -timeout 30m ./repl

cluster: rabbitmq ## three nodes: one is killed, or two are stopped, while a task runs
	$(GO) test -count=1 -run TestCluster -v -timeout 25m ./internal/testlab/lab -cluster

brokers: rabbitmq ## the black-box suites on every RabbitMQ in use, in folders of other Debian releases (see .ci/brokers)
	@.ci/brokers $(SUITES)

cost: rabbitmq ## what the journal costs, against one sync of this disk
	$(GO) test -count=1 -run TestJournalCost -v ./internal/testlab/lab -cost

fuzz: ## each fuzz target for FUZZTIME (default 30s)
	@.ci/fuzz $(or $(FUZZTIME),30s)

windows: rabbitmq ## the tests of all packages that have tests for Windows, and Windows programs with Linux ones, under wine
	@.ci/windows

cross: ## compile for every platform, and vet each system
	@for p in $(PLATFORMS); do echo "$$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./... || exit 1; \
		case $$p in */amd64) GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet ./... || exit 1 ;; esac; done

packages: packaging-tools ## deb, rpm, apk, msi, zip, tar.gz and container images, into dist/ (VERSION, FORMATS, ARCHS, SIGNING_KEY; see packaging/make)
	@VERSION="$(VERSION)" packaging/make

packages-test: rabbitmq ## install, upgrade and remove deb and rpm packages under systemd in folders of Debian 12 and 13; lintian, apk, images
	@.ci/packages

packaging-tools: # for the packages
	$(call need,wixl:wixl zip:zip ssh-keygen:openssh-client)

pika: # for the examples in Python
	@/usr/bin/python3 -c 'import pika' 2>/dev/null || .ci/rabbitmq python3-pika

mandoc: # checks the manual pages
	$(call need,mandoc:mandoc)

peers: # nodeset and ansible-inventory, with which the tests compare Warren
	$(call need,nodeset:clustershell ansible-inventory:ansible-core)

rabbitmq: ## install Debian's rabbitmq-server where it is missing
	@.ci/rabbitmq

clean: ## remove what was built
	rm -rf bin
