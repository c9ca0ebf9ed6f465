# tracehammer: make help lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
GO ?= go
STATE ?= state
FOR ?= 60s
FUZZTIME ?= 30s

.PHONY: run test test-all setup lint bench fuzz clean help bin/stressd

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bin/stressd:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -o $@ ./cmd/stressd

# stressd exits with 2 when it found something new. So does a Go panic: only the summary line tells them apart.
run: bin/stressd ## race ptrace on the engine and on this machine's kernel for FOR (60s); findings go to STATE (state/)
	@out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
	bin/stressd run --for $(FOR) --target engine --target host --state $(STATE) | tee "$$out"; code=$$?; \
	if [ $$code -eq 2 ] && grep -q '^summary: ' "$$out"; then exit 0; fi; exit $$code

test: setup lint bin/stressd ## formatting, vet, staticcheck, all tests (also under the race detector), every scenario on engine and host
	$(GO) test ./...
	$(GO) test -race -short ./engine/... ./ptrace/... ./stress/...
	bin/stressd check --target engine --target host corpus/seeds/*/*.scn

setup:
	@.ci/setup

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt'ed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

test-all: test ## the slower things too: everything under the race detector, tests three times in random order
	$(GO) test -race ./...
	$(GO) test -count=3 -shuffle=on ./...

bench: ## rates of host scenarios against plain C programs, and of the engine and the checker
	$(GO) test -run '^$$' -bench . -benchtime 2s ./...

# With default settings the minimiser of native fuzzing stalls the workers for up to a minute.
fuzz: ## every native fuzz target for FUZZTIME (30s)
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
	  done; \
	done

clean: ## removes what make built; findings stay (rm -r state)
	rm -rf bin
