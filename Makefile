# Thin aliases: the work is done by scripts/ and cargo. `make` alone lists them.
.POSIX:
.SUFFIXES:

# What a bare machine lacks is made ready by scripts/setup.sh, and put on PATH here.
with_tools = . ./.tools/env &&

help: ## this list
	@sed -n 's/^\([a-z%/-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{ printf "make %-18s %s\n", $$1, $$2 }'

demo: ## set up, build the mini box's ISO, boot it until it says that it is ready
	@$(MAKE) --no-print-directory -j2 build setup-demo
	@scripts/demo.sh

test: setup ## set up, then every check: format, lints, scripts, unit and end-to-end tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@scripts/check-scripts.sh
	$(with_tools) CBOX_REQUIRE_NIX=1 cargo test --workspace --locked

build: ## the program, as target/release/cbox
	cargo build --release --locked

setup: ## make ready what building, booting and testing needs (see scripts/setup.sh --help)
	@scripts/setup.sh

appliance/%: build setup-nix ## build one image: make appliance/iso, make appliance/qcow2/aarch64-linux
	$(with_tools) cbox $(subst /, ,$@)

clean: ## remove what was built
	cargo clean
	rm -rf out examples/minibox/out

undo: ## take back all that setup did
	@scripts/setup.sh --undo

setup-nix:
	@scripts/setup.sh nix

setup-demo:
	@scripts/demo.sh --setup

.PHONY: help demo test build setup appliance clean undo setup-nix setup-demo
