# SPDX-License-Identifier: Apache-2.0
# A thin front for meson: each target is one thing a person wants. `make help` lists them.

# Debian's own tools and Python, whatever stands first in PATH.
export PATH := /usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin:$(PATH)
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC = gcc

.DEFAULT_GOAL := help

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## install what is needed, build, deploy examples/whoami to a local node and check it
	@tools/demo $(BUILD)

test: build ## install what is needed, build, run every test (also under ASan, UBSan and TSan)
	@tools/run-tests --build $(BUILD)

test-fast: build ## the unit tests and fuzz corpora only
	@tools/run-tests --build $(BUILD) --fast

test-debian13: deps ## the same in a fresh root of Debian 13 (as root; needs the network)
	@tools/on-debian 13 make test-fast || { status=$$?; \
	[ $$status = 77 ] || exit $$status; echo "test-debian13: SKIPPED (the reason is above)"; }

conformance: build ## hold the server against h2spec and its like (fetched from the network where not installed)
	@tools/conformance --build $(BUILD)

compare: build ## the same apps under our server and under gunicorn or uvicorn, answer by answer (needs the network)
	@tests/compare/compare --build $(BUILD); status=$$?; [ $$status = 77 ] || exit $$status

lint: deps ## rules of the tree, layout, clang-tidy, cppcheck, shellcheck
	@tools/lint $(BUILD)

analyze: deps ## gcc's own analyser (-fanalyzer) over src
	@tools/analyze

coverage: deps ## which lines of src the unit tests run, by folder (build-coverage/)
	@tools/coverage

build: deps $(BUILD)/build.ninja ## compile everything
	@steps=$$(ninja -C $(BUILD) -n | sed -n 's/^\[[0-9]*\/\([0-9]*\)\] .*/\1/p' | tail -n 1); \
	[ -z "$$steps" ] || echo "building mse in $(BUILD)/: $$steps steps, one or two minutes where all of them are new"
	@if [ -t 1 ]; then ninja -C $(BUILD); else ninja -C $(BUILD) --quiet; fi

deps: ## install the Debian packages that are missing
	@tools/install-deps

$(BUILD)/build.ninja:
	@echo "looking for what mse is built with"
	@log=$$(CC=$(CC) meson setup $(BUILD) --prefix $(PREFIX) 2>&1) || { echo "$$log" | tail -n 5; exit 1; }

image: build ## build the image mse-flask of a confidential VM into build/images/
	@$(BUILD)/mse image build mse-flask --output $(BUILD)/images/mse-flask

demo-vm: image ## the same in a virtual machine with the SIMULATED TEE, under QEMU (protects nothing)
	@tools/demo-vm $(BUILD)

bench: build ## measure deploy, packaging, verification, memory
	@tools/bench $(BUILD)

bench-serve: build ## measure the server inside beside its peers
	@tests/bench/serve --build $(BUILD)

SOAK_REQUESTS ?= 10000000
SOAK_FLAGS ?=

soak: build ## load the server inside with SOAK_REQUESTS checked requests for each way to serve
	@MSE_BUILD=$(BUILD) tests/soak/soak --requests $(SOAK_REQUESTS) $(SOAK_FLAGS)

# The prefix is compiled in: first it is set, then built.
install: deps $(BUILD)/build.ninja ## put the programs, man pages, completions and the systemd unit in place (PREFIX, DESTDIR)
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@$(MAKE) --no-print-directory build BUILD=$(BUILD)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

uninstall: ## remove what the last make install has put in place
	@test -f $(BUILD)/meson-logs/install-log.txt || { echo "make uninstall: nothing was installed from $(BUILD)/"; exit 1; }
	@ninja -C $(BUILD) --quiet uninstall

clean: ## remove everything that was built
	@rm -rf build build-asan build-analyze build-coverage build-tsan

.PHONY: help demo demo-vm test test-fast test-debian13 conformance compare lint analyze coverage build deps image bench bench-serve soak install uninstall clean
