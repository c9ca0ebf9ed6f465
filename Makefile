# tracehammer: make help lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
GO ?= go
STATE ?= state
FOR ?= 60s
FUZZTIME ?= 30s
READERTIME ?= 10m
# Where make install puts things; DESTDIR goes in front of all of it.
PREFIX ?= /usr/local
BINDIR = $(PREFIX)/bin
UNITDIR = $(PREFIX)/lib/systemd/system
# What make overnight races: two kernels that are emulated beside those that run at full speed. OVERNIGHT_ARCHS have a kernel to fetch.
OVERNIGHT_ARCHS := arm64 s390x
OVERNIGHT := engine host uml $(OVERNIGHT_ARCHS:%=qemu:%)
# Other architectures with actors. Machines run a stressd that is built for them (amd64's has one, too, which starts faster); test boots that of one
# other architecture, and that of 386, whose kernel is amd64's; test-all those of all.
ARCHS := 386 arm64 riscv64 s390x ppc64le
OTHERS := bin/stressd-amd64 $(ARCHS:%=bin/stressd-%)

.PHONY: run overnight install test test-all test-machines test-record test-race test-shuffle setup lint bench fuzz fuzz-readers gofuzz libfuzzer clean help bin/stressd $(OTHERS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Machines of this architecture, User Mode Linux among them, run stressd-amd64; without it they run stressd itself.
bin/stressd: bin/stressd-amd64
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -o $@ ./cmd/stressd

# What a machine runs, which bin/stressd finds beside itself: an agent and nothing else (-tags agent), as small as it can be.
$(OTHERS): bin/stressd-%:
	@mkdir -p bin
	CGO_ENABLED=0 GOARCH=$* $(GO) build -tags agent -ldflags='-s -w' -o $@ ./cmd/stressd

# stressd exits with 2 when it found something new. So does a Go panic: only the summary line tells them apart.
run: bin/stressd ## race ptrace on the engine and on this machine's kernel for FOR (60s); findings go to STATE (state/)
	@out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
	bin/stressd run --for $(FOR) --target engine --target host --state $(STATE) | tee "$$out"; code=$$?; \
	if [ $$code -eq 2 ] && grep -q '^summary: ' "$$out"; then exit 0; fi; exit $$code

# 130 and 143: it was stopped, and the same command goes on.
overnight: FOR = 8h
overnight: bin/stressd $(OVERNIGHT_ARCHS:%=bin/stressd-%) ## race engine, host, User Mode Linux and two emulated machines for FOR (8h), then report; findings go to STATE
	@for a in $(OVERNIGHT_ARCHS); do bin/stressd vm fetch $$a >/dev/null || echo "no kernel for qemu:$$a: it is skipped"; done
	@bin/stressd run --for $(FOR) $(OVERNIGHT:%=--target %) --state $(STATE); code=$$?; \
	case $$code in 0|2|5|130|143) ;; *) exit $$code;; esac; \
	bin/stressd report --state $(STATE) --html $(STATE)/report.html && echo "the same as a page: $(STATE)/report.html"

install: bin/stressd $(OTHERS) ## to PREFIX (/usr/local), below DESTDIR: stressd, the programs of machines, a unit of systemd
	install -D -t $(DESTDIR)$(BINDIR) bin/stressd $(OTHERS)
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@BINDIR@|$(BINDIR)|' cmd/stressd/stressd.service >$(DESTDIR)$(UNITDIR)/stressd.service
	chmod 644 $(DESTDIR)$(UNITDIR)/stressd.service

test: setup lint bin/stressd bin/stressd-386 bin/stressd-arm64 ## formatting, vet, staticcheck, all tests (also under the race detector), every scenario on engine and host
	@for a in x86_64 arm64; do bin/stressd vm fetch $$a || echo "no kernel for qemu:$$a: its tests are skipped"; done
	$(GO) test ./...
	$(GO) test -race -short -timeout 20m ./engine/... ./ptrace/... $$($(GO) list ./stress/... | grep -v /fleet$$)
	bin/stressd check --target engine --target host corpus/seeds/*/*.scn

setup:
	@.ci/setup

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt'ed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	for a in $(ARCHS); do CGO_ENABLED=0 GOARCH=$$a $(GO) vet -tags agent $$($(GO) list -deps -tags agent ./cmd/stressd | grep '^tracehammer/') || exit; done
	$(GO) tool staticcheck ./...

test-all: test test-machines test-record test-race test-shuffle fuzz-readers ## all of these; some hours

test-machines: bin/stressd $(OTHERS) ## boots machines of all architectures (10 minutes)
	.ci/setup all
	for a in $(ARCHS); do bin/stressd vm fetch $$a || exit; done
	TRACEHAMMER_TEST_ALL=1 $(GO) test -count=1 -timeout 30m ./vm

test-record: $(OTHERS) ## old bugs are found again, a campaign survives 100 kills, and a fleet the loss of a server (an hour)
	TRACEHAMMER_TEST_ALL=1 $(GO) test -count=1 -timeout 90m -run 'TestKilled|TrackRecord' ./cmd/stressd
	TRACEHAMMER_TEST_ALL=1 $(GO) test -count=1 -timeout 20m ./stress/fleet

test-race: ## everything under the race detector
	$(GO) test -race -timeout 40m ./...

test-shuffle: ## everything three times, in random order
	$(GO) test -count=3 -shuffle=on -timeout 40m ./...

bench: ## rates of host scenarios against plain C programs, and of the engine and the checker
	$(GO) test -run '^$$' -bench . -benchtime 2s ./...

fuzz: ## native fuzzing: TARGET=FuzzX, or every target, for FUZZTIME (30s) each
	@for p in ./fuzz ./fuzz/readers ./fuzz/host; do \
	  for f in $$($(GO) test -list '^$(or $(TARGET),Fuzz.*)$$' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; GO="$(GO)" .ci/fuzz-native $$p $$f $(FUZZTIME) || exit 1; \
	  done; \
	done

gofuzz: ## dvyukov's go-fuzz: TARGET=FuzzX for FOR (60s); its work directory is STATE/gofuzz/TARGET
	@.ci/fuzz-engine gofuzz $(or $(TARGET),FuzzPtrace) $(FOR) $(STATE)/gofuzz/$(or $(TARGET),FuzzPtrace)

libfuzzer: ## libFuzzer: TARGET=FuzzX for FOR (60s); needs clang; its files are in STATE/libfuzzer/TARGET
	@.ci/fuzz-engine libfuzzer $(or $(TARGET),FuzzPtrace) $(FOR) $(STATE)/libfuzzer/$(or $(TARGET),FuzzPtrace)

# What reads files and streams of other people. Each target bounds what one input may make its reader allocate.
READERS := FuzzScenarioText|FuzzScenarioBytes|FuzzStatus|FuzzConsole|FuzzHistory|FuzzCrasher|FuzzInputFile|FuzzNames|FuzzAgent|FuzzKernelLog

fuzz-readers: ## hostile input to every reader, for READERTIME (10m) each, 100 minutes in all
	@$(MAKE) --no-print-directory fuzz TARGET='($(READERS))' FUZZTIME=$(READERTIME)

clean: ## removes what make built; findings stay (rm -r state)
	rm -rf bin
