# Every task of this project has a target here; `make help` lists
# them. They need Go, git and make; they install or name whatever else they need.

GO       ?= go
PREFIX   ?= /usr/local
FUZZTIME ?= 10s
BENCH    ?= .
PKG      ?= ./...

# The version comes from git; a tree without .git is called dev.
VERSION  ?= $(shell test -e .git && git describe --tags --always --dirty 2>/dev/null || echo dev)
# The entry of the program is its own on the architectures that have one (cmd/eptop/start.go).
START     = $(if $(filter amd64 arm64,$(shell $(GO) env GOARCH)),-E main.start)
# That of the commit stands in the man pages: a build is the same on every day.
DATE     ?= $(shell test -e .git && git show -s --format=%cs 2>/dev/null)
LDFLAGS   = -s -w -X main.version=$(VERSION) -X main.date=$(DATE) $(START)

# The tools are pinned in a module of their own, to keep their dependencies
# out of go.mod.
TOOL      = $(GO) tool -modfile=tools/go.mod

# Debian keeps nginx in sbin, which is not on everyone's PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := all
.PHONY: all build test test-deps test-vm vet fmt lint generate check-generated vulncheck bench bench-million fuzz cover golden man completion install clean help

all: build lint test ## what CI does, except test-vm (the default)

build: ## one static binary, ./eptop, reproducible from its commit
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o eptop ./cmd/eptop

# Packages whose tests count what the whole machine holds (slab objects, sockets, files),
# or time what thousands of sockets do: each runs alone. All other packages, new ones
# too, run beside each other.
ALONE ?= ./cmd/eptop ./internal/collect ./internal/engine ./internal/fdinfo ./internal/loadgen ./internal/measure ./internal/slab ./internal/sock

# Tests that draw at every size of a terminal. With the race detector, which makes them ten
# times slower, they draw at some sizes only, so they run without it too.
SWEEPS = ^TestView$$/^sizes$$|^TestLoadSizes$$|^TestFramesFit$$|^TestACopyShowsTheSame$$

test: test-deps ## every test, with the race detector (PKG=./internal/zone, TESTFLAGS=-v)
	CGO_ENABLED=1 $(GO) build -race $(PKG)
	@alone=$$($(GO) list $(ALONE)) && all=$$($(GO) list $(PKG)) || exit; failed=0; export CGO_ENABLED=1; \
	run() { echo "$(GO) test -race $$*"; $(GO) test -race "$$@" || failed=1; }; \
	sweep() { echo "$(GO) test -run '$(SWEEPS)' $$*"; CGO_ENABLED=0 $(GO) test -run '$(SWEEPS)' $(TESTFLAGS) "$$@" || failed=1; }; \
	beside=$$(echo "$$all" | grep -Fvx "$$alone"); [ -z "$$beside" ] || run $(TESTFLAGS) $$beside; \
	drawing=$$(echo "$$all" | grep -E '/internal/ui(/|$$)'); [ -z "$$drawing" ] || sweep $$drawing; \
	counting=$$(echo "$$all" | grep -Fx "$$alone"); [ -z "$$counting" ] || run -p 1 $(TESTFLAGS) $$counting; \
	exit $$failed

test-deps: ## install what the tests need and this machine lacks (Debian)
	@tools/test-deps test

# The kernels are Debian's; VM_CACHE keeps them between runs.
VM_KERNELS ?= 6.1 6.12
VM_CACHE   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/eptop-vm

ifeq ($(shell uname -m),x86_64)
test-vm: ## eptop on other kernels and topologies, in QEMU guests of 4 GiB (VM_KERNELS=6.12)
	@tools/test-deps vm
	@tools/vm-kernels '$(VM_CACHE)' $(VM_KERNELS)
	EPTOP_VM_CACHE='$(VM_CACHE)' EPTOP_VM_KERNELS='$(VM_KERNELS)' EPTOP_VM_GO='$(GO)' \
		$(GO) test -tags vm -count 1 -timeout 16m -v -run '^Test(Guests|BPF|Picture|Lab)$$' $(TESTFLAGS) ./test/vm
else
test-vm:
	@echo '--- SKIP: test-vm (the kernels are for x86-64: run it on such a machine)'
endif

vet: ## go vet
	$(GO) vet -tags vm ./...

fmt: ## format the code
	gofmt -l -w cmd internal test

lint: ## gofmt, vet, staticcheck and the import rules (.golangci.yml), and dead code
	$(TOOL) golangci-lint run ./...
	tools/deadcode tools/deadcode-allowed ./...

generate: ## compile internal/bpf's kernel program anew (clang-14 and llvm-14)
	@tools/test-deps generate
	$(GO) generate ./internal/bpf

check-generated: ## is the program that is checked in what its source makes?
	@tools/test-deps generate
	@command -v clang-14 >/dev/null && command -v llvm-strip-14 >/dev/null || { echo '--- SKIP: check-generated (clang-14 and llvm-14 are missing)'; exit 0; }; \
	was=$$(mktemp -d) && trap 'rm -rf "$$was"' EXIT && cp internal/bpf/scan_bpfel.* "$$was" && $(GO) generate ./internal/bpf || exit; \
	for f in scan_bpfel.go scan_bpfel.o; do \
		cmp "$$was/$$f" "internal/bpf/$$f" || { echo 'internal/bpf: commit what make generate makes' >&2; exit 1; }; \
	done

vulncheck: ## look for known vulnerabilities in the dependencies (needs https://vuln.go.dev)
	$(TOOL) govulncheck ./...

bench: ## every benchmark (BENCH=Parse, PKG=./internal/fdinfo); each checks its result
	@tools/test-deps bench
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

bench-million: ## open a million connections (needs 10 GB of memory)
	EPTOP_BENCH_MILLION=1 $(GO) test -run '^$$' -bench Million -benchtime 1x -timeout 30m ./internal/loadgen
	EPTOP_BENCH_MILLION=1 $(GO) test -run '^$$' -bench Sources -benchtime 3x -timeout 30m ./cmd/eptop

fuzz: ## every fuzz target for FUZZTIME each (10s)
	@tools/fuzz '$(FUZZTIME)' $(PKG)

cover: ## test coverage: a line for each function, and dist/cover.html
	@mkdir -p dist
	$(GO) test -coverprofile=dist/cover.out $(PKG)
	$(GO) tool cover -func=dist/cover.out
	$(GO) tool cover -html=dist/cover.out -o dist/cover.html

golden: ## rewrite the golden files with what the code prints now; read the diff
	@packages=$$(grep -rlE --include='*_test.go' 'flag\.Bool\("update"|exp/golden"' cmd internal | xargs -r -n1 dirname | sort -u | sed 's,^,./,'); \
	if [ -z "$$packages" ]; then echo 'no package has golden files'; \
	else set -x; $(GO) test $$packages -update; fi

man: build ## the man pages, dist/man
	@mkdir -p dist/man
	./eptop man --dir dist/man

completion: build ## what bash, zsh and fish need to complete eptop, dist/completion
	@mkdir -p dist/completion
	./eptop completion bash > dist/completion/eptop
	./eptop completion zsh > dist/completion/_eptop
	./eptop completion fish > dist/completion/eptop.fish

install: build man completion ## install into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 eptop '$(DESTDIR)$(PREFIX)/bin/eptop'
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/man/man1' dist/man/*.1
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' dist/completion/eptop
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/zsh/site-functions' dist/completion/_eptop
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d' dist/completion/eptop.fish

clean: ## remove what the targets above have made
	rm -rf eptop dist

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
