# Thin aliases: the work is done by scripts/ and cargo. `make` alone lists them.
.POSIX:
.SUFFIXES:

# What a bare machine lacks is made ready by scripts/setup.sh, and put on PATH here.
with_tools = . ./.tools/env &&

# Images are those of this repository's own flake; while it has none, the mini box's.
flake = $(if $(wildcard flake.nix),.,examples/minibox)
flake_needs = $(if $(wildcard flake.nix),nix,nix parts)

# Where `make install` goes; DESTDIR stands before it, for those who make packages.
PREFIX = /usr/local
installed = $(call quoted,$(PREFIX)) $(call quoted,$(DESTDIR))
# As one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'

# The tables of `make bench`, by name; without any, all of them. Some are only printed, unless there
# is a `write`.
tables =
write =
# Of `make bench-instructions`: to write the counts, and to fail also where nothing can be judged.
accept =
strict =
bench_writes = $(if $(write)$(if $(tables),,all),--write)

help: ## this list
	@sed -n 's/^\([a-z%/-]*\):.*## /\1\t/p' Makefile | sed 's/%/iso/' | awk -F '\t' '{ printf "make %-18s %s\n", $$1, $$2 }'

demo: ## set up, build the mini box's ISO, boot it until it says that it is ready
	@scripts/demo.sh --check
	@$(MAKE) --no-print-directory -j2 build setup-demo
	@scripts/demo.sh

test: ## set up, then every check: format, lints, scripts, unit and end-to-end tests, The Box
	@scripts/test.sh

test-long: ## the long form of every random or repeated test (scripts/test-long.sh --help lists them)
	@scripts/test-long.sh

test-box: ## The Box alone: evaluated, and started on its bench (see tests/box)
	@scripts/setup.sh rust nix curl $${BOX_LONG:+qemu}
	@$(with_tools) scripts/check-box.sh

build: check-rust ## the program, as target/release/cbox
	cargo build --release --locked -p cbox-cli

install: check-rust check-install build ## the program, its manual and completions, below PREFIX (/usr/local)
	@scripts/install.sh target/release/cbox $(installed)

uninstall: ## remove what `make install` with the same PREFIX and DESTDIR installed
	@scripts/install.sh --uninstall $(installed)

release: check-rust ## the program for any Linux, as an archive and as a Debian package (see scripts/release.sh --help)
	@scripts/release.sh

release-rehearsal: check-rust ## a whole release of the mini box: made, made again and compared, signed, verified, flashed
	@scripts/release-rehearsal.sh

bench: check-flake build setup-flake ## what cbox costs in time and memory, beside other tools, as docs/benchmarks.md
	cargo build --release --locked -p nix-formats --examples
	$(with_tools) cargo run --release --locked -p cbox-bench -- $(bench_writes) $(tables)

bench-instructions: check-rust ## instructions of cbox's own code, beside those accepted before (accept=1 accepts)
	@scripts/setup.sh valgrind
	$(with_tools) cargo run --release --locked -p cbox-instructions -- $(if $(accept),--accept) $(if $(strict),--strict)

setup: ## make ready what building, booting and testing needs (see scripts/setup.sh --help)
	@scripts/setup.sh

screenshots: build setup-demo ## the pictures of the documentation, from real runs (needs Chromium and tmux)
	@scripts/screenshots.sh

appliance/%: check-flake build setup-flake ## set up, build one image; others: appliance/raw, appliance/qcow2/aarch64
	$(with_tools) cbox --flake $(flake) $(subst /, ,$@)

clean: ## remove what was built
	cargo clean
	rm -rf out examples/minibox/out

undo: ## take back all that set-up did
	@scripts/setup.sh --undo

# What the machine lacks is said before anything is downloaded or compiled.
check-rust:
	@scripts/setup.sh --check rust

check-flake:
	@scripts/setup.sh --check rust $(flake_needs)

check-install:
	@scripts/install.sh --check $(installed)

setup-flake:
	@scripts/setup.sh $(flake_needs)

setup-demo:
	@scripts/demo.sh --setup

.PHONY: help demo test test-long test-box build install uninstall release release-rehearsal bench bench-instructions screenshots setup clean undo \
  check-rust check-flake check-install setup-flake setup-demo
