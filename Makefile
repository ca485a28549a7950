# What there is to do. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test soak demo picture clients fuzz check fmt lint doc deny watch audit bench mutants servers dashboard clean
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# Where the throw-away PostgreSQL of the tests lies. Its own user has to reach it.
ifndef POSTGRES_DIR
POSTGRES_DIR := $(shell mktemp -u /tmp/minimcp-postgres.XXXXXX)
endif
TOOLS := target/tools
CARGO_DENY := $(TOOLS)/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

run: servers dashboard ## Build everything and serve on 127.0.0.1:7878
	$(CARGO) build --release --bin minimcp
	target/release/minimcp serve

test: servers dashboard ## Run every test, with real processes, Node servers, a browser, SQLite and PostgreSQL
	scripts/fault-tools
	cd mcp-servers && npm run --silent check && npm test --silent && node conformance/run.mjs
	$(CARGO) test --workspace --features minimcp-actors/fake --no-run
	scripts/chromium
	cd dashboard && npm run --silent check && npm test --silent
	url=$$(scripts/postgres start $(POSTGRES_DIR)); \
	trap 'scripts/postgres stop $(POSTGRES_DIR)' EXIT; \
	MINIMCP_TEST_POSTGRES_URL=$$url $(CARGO) test --workspace --features minimcp-actors/fake

# Rounds of each test that can go on for longer: 100 kills under load, 200 while busy, 20 power cuts, 20,000 simulated
# stories, 1,000 starts and stops. As root, with a loop device for the power cuts.
soak: servers ## The long versions of the tests of faults; docs/faults.md has the results
	scripts/fault-tools
	$(CARGO) test --package minimcp-actors --features fake --test simulation --no-run
	$(CARGO) test --features minimcp-actors/fake --test it --no-run
	MINIMCP_TEST_ROUNDS=20 $(CARGO) test --package minimcp-actors --features fake --test simulation -- --nocapture
	MINIMCP_TEST_ROUNDS=100 $(CARGO) test --features minimcp-actors/fake --test it -- --nocapture --test-threads 1 \
		process::storm process::corruption process::half_made process::crowd::of_thousands
	MINIMCP_TEST_ROUNDS=200 $(CARGO) test --features minimcp-actors/fake --test it -- --nocapture process::crashes
	MINIMCP_TEST_ROUNDS=20 $(CARGO) test --features minimcp-actors/fake --test it -- --nocapture --ignored process::power_cut
	MINIMCP_TEST_ROUNDS=1000 $(CARGO) test --features minimcp-actors/fake --test it -- --nocapture children::fifty

demo: servers ## Tell the whole story by itself, and fail if a step does
	$(CARGO) build --bin minimcp
	MINIMCP=target/debug/minimcp scripts/demo

picture: servers dashboard ## Take the picture of the dashboard that the README shows
	scripts/chromium
	$(CARGO) build --bin minimcp
	MINIMCP=$${CARGO_TARGET_DIR:-target}/debug/minimcp node dashboard/picture.mjs

clients: servers ## Hold the gateway against the clients that people have
	$(CARGO) build --bin minimcp
	MINIMCP=target/debug/minimcp scripts/clients

fuzz: servers ## Send the API what nobody would think of; hold every answer against its document
	$(CARGO) build --bin minimcp
	MINIMCP=target/debug/minimcp scripts/schemathesis 40 $(SEED)

check: fmt lint doc deny ## Formatting, lints, documentation, licences

fmt: ## Formatting, of Rust
	$(CARGO) fmt --all --check

lint: ## Clippy, with every warning an error
	$(CARGO) clippy --workspace --all-targets --features minimcp-actors/fake -- -D warnings

doc: ## Rustdoc, private items too, with every warning an error
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps --document-private-items

deny: $(CARGO_DENY) ## Licences, banned crates and sources
	$(CARGO_DENY) check licenses bans sources

watch: ## Alerts, their tests and the dashboard's queries, by Prometheus' own checker
	scripts/watch-check

audit: $(CARGO_DENY) ## Known vulnerabilities; asks the advisory databases, so it needs the internet
	$(CARGO_DENY) check advisories
	cd mcp-servers && npm audit --omit=dev
	cd dashboard && npm audit --omit=dev

# Built from source: the packaged one that PyPI has is too old to know the licence Unicode-3.0.
$(CARGO_DENY):
	$(CARGO) install --debug --locked --root $(TOOLS) --target-dir $(TOOLS)/build cargo-deny --version $(CARGO_DENY_VERSION)

bench: servers ## The figures of BENCHMARKS.md
	$(CARGO) build --release --bin minimcp
	$(CARGO) bench
	cd mcp-servers && npm run --silent bench

mutants: ## Break the lifecycle core on purpose and see that the tests notice
	scripts/mutants

servers: mcp-servers/node_modules/.package-lock.json mcp-servers/dist/github.cjs ## The Node servers

mcp-servers/node_modules/.package-lock.json: mcp-servers/package-lock.json
	cd mcp-servers && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

mcp-servers/dist/github.cjs: mcp-servers/build.mjs $(wildcard mcp-servers/build/* mcp-servers/*/src/*.ts) mcp-servers/node_modules/.package-lock.json
	cd mcp-servers && npm run --silent build

dashboard: dashboard/dist/index.html ## The dashboard, which the next build of the program carries

dashboard/node_modules/.package-lock.json: dashboard/package-lock.json
	cd dashboard && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

dashboard/dist/index.html: dashboard/build.mjs $(shell find dashboard/src -type f) dashboard/node_modules/.package-lock.json
	cd dashboard && npm run --silent build

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf mcp-servers/dist mcp-servers/node_modules dashboard/dist/assets dashboard/dist/index.html* dashboard/node_modules
