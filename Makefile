# The commands of this repository; `make` alone lists them.
# A Rust toolchain, a C compiler and make are enough for `make run`. `make test` installs the rest into .tools/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help run cluster test lan-tests check fmt lint deny bench bench-cluster bench-jobs soak comparison clean tools rust-tests nodes-tests node-tests deploy-tests

BUF := .tools/bin/buf
export RIALTO_BIN := $(CURDIR)/target/debug/rialto

help: ## lists the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

run: ## builds Rialto and starts it, with the worker of imports; the chat is at http://127.0.0.1:7400/
	cargo build --locked --release --bin rialto
	exec deploy/run

cluster: ## builds Rialto and starts three nodes with NATS, which needs Go; prints three chats
	tests/tools/install go
	cargo build --locked --release --bin rialto
	exec deploy/cluster

# Last what builds the pages anew: after it Cargo would take them for changed.
test: tools lint rust-tests nodes-tests deploy-tests lan-tests node-tests ## installs what tests need and runs all of them

check: test deny ## everything: what `make test` runs, and the rules about dependencies

fmt: tools ## formats Rust and protos
	cargo fmt --all
	$(BUF) format --write

lint: tools ## formatting, clippy, protos
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BUF) lint
	$(BUF) format --diff --exit-code

# One build for all: the tests start the binary that they find in target/debug.
rust-tests: tools
	cargo build --locked --workspace --all-targets
	cargo test --locked --workspace

# The same tests of what a node does, where each connection goes to another one of three nodes; of two, in which the other one is the
# only other, what order and completeness rest on. What is skipped is about the folder, the memory and the address of one node, how
# many answers it waits for, and the order of two senders where nothing is kept.
TWO_NODES_TESTS := delta directory membership order presence recovery resumes watch window
NODES_SKIPPED := a_second_node_on_the_same_folder_does_not_start a_history_in_memory_that_is_gone_with_its_node \
	a_session_comes_back_to_a_restarted_node what_is_said_while_the_node_is_away_arrives_when_it_is_back \
	each_of_two_senders_in_one_window_hears_only_the_other a_session_waits_for_so_many_answers_in_all_and_no_more \
	a_watch_does_not_go_on_at_a_node_that_has_forgotten_what_was_before
nodes-tests: tools
	RIALTO_TEST_NODES=3 cargo test --locked --workspace --test node --test pressure -- $(addprefix --skip ,$(NODES_SKIPPED))
	RIALTO_TEST_NODES=2 cargo test --locked --workspace --test node -- $(addsuffix ::,$(TWO_NODES_TESTS)) $(addprefix --skip ,$(NODES_SKIPPED))

# The TypeScript client, the pages, and real Chromium pages against the binary that `rust-tests` has built.
node-tests: tools
	tests/tools/install pages browser
	npm run check
	npm test

# What is in deploy/, read by the libraries that will read it, and run as processes with the binary that `rust-tests` has built.
deploy-tests: tools
	cd tests/deploy && test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet ./... && go test -vet=off -count=1 ./...

# The whole workspace is named because Cargo would build every dependency again for the features of one package alone.
lan-tests: tools ## three nodes and three servers of NATS on machines of their own, killed and cut off: needs root, five minutes
	cargo build --locked --workspace --bin rialto
	cargo test --locked --workspace --features rialto-tests/lan --test lan -- --nocapture

soak: tools ## a thousand kills of a node with jobs, and two thousand other seeds of each simulation: an hour or two
	cargo build --locked --workspace --bin rialto
	RIALTO_TEST_KILLS=1000 cargo test --locked --workspace --test alone -- --nocapture a_node_that_is_killed
	RIALTO_SIMULATION_SEEDS=1000..3000 cargo test --locked --workspace --test simulation --test simulation_cluster -- --nocapture every

deny: ## licences, sources and bans of dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny@0.20.2
	cargo deny check --hide-inclusion-graph licenses bans sources

bench: tools ## a first fan-out benchmark beside nats-server and Socket.IO, about 5 minutes; BENCH=--full for the whole grid
	cargo build --locked --profile dist -p rialto-server -p rialto-tests --bin rialto --bin rialto-load
	target/dist/rialto-load --json target/benchmark.json $(BENCH)

bench-cluster: tools ## what several nodes cost beside one, and Socket.IO with Redis in the same way, about 7 minutes
	tests/tools/install comparison
	cargo build --locked --profile dist -p rialto-server -p rialto-tests --bin rialto --bin rialto-load
	target/dist/rialto-load cluster $(BENCH)

bench-jobs: tools ## job queues beside RabbitMQ, BullMQ and JetStream, with syncs, about 6 minutes; BENCH="--jobs 50000" for fewer jobs
	tests/tools/install comparison brokers
	cargo build --locked --profile dist -p rialto-server -p rialto-tests --features rialto-tests/peers --bin rialto --bin rialto-load
	target/dist/rialto-load jobs $(BENCH)

comparison: ## recovery and delivery beside Socket.IO, some minutes; COMPARISON="--write docs/comparison.md" renews the document
	tests/tools/install pages comparison
	npm run build -w clients/typescript
	[ -x "$(RIALTO_BIN)" ] || cargo build --locked --bin rialto
	node tests/comparison/run.mjs $(COMPARISON)

clean: ## removes what was built and installed here
	cargo clean
	rm -rf .tools node_modules */node_modules */*/node_modules

tools:
	@tests/tools/install go node python faults
