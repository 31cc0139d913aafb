# The commands of this repository; `make` alone lists them.
# A Rust toolchain, a C compiler and make are enough for `make run`. `make test` installs the rest into .tools/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help run cluster test lan-tests check fmt lint deny bench bench-clients bench-cluster bench-jobs soak comparison stubs clean tools rust-tests nodes-tests node-tests deploy-tests go-generate go-client-tests go-driver java-client-tests java-driver python-client-tests python-generate example example-build example-test client-tests generated conformance

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
test: tools lint rust-tests client-tests stubs example-test conformance nodes-tests deploy-tests lan-tests node-tests ## installs what tests need and runs all of them

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
	a_watch_does_not_go_on_at_a_node_that_has_forgotten_what_was_before \
	an_event_for_any_one_member_reaches_who_is_there_before_who_is_away
nodes-tests: tools
	RIALTO_TEST_NODES=3 cargo test --locked --workspace --test node --test pressure -- $(addprefix --skip ,$(NODES_SKIPPED))
	RIALTO_TEST_NODES=2 cargo test --locked --workspace --test node -- $(addsuffix ::,$(TWO_NODES_TESTS)) $(addprefix --skip ,$(NODES_SKIPPED))

# Each client by its own tests, and the programs of its documents; the Rust client among `rust-tests`, the TypeScript client among
# `node-tests`.
client-tests: generated python-client-tests go-client-tests java-client-tests

# What is committed of the messages of clients is what the protos say.
generated: go-generate python-generate
	git diff --exit-code -- clients/go/internal/gen clients/python/src/rialto/_gen

# All clients do the same: the table client × scenario. The runner is what `rust-tests` has built.
conformance: tools go-driver java-driver ## the scenarios of conformance with every client; CONFORMANCE="--client go" for one, see tests/conformance/README.md
	tests/tools/install pages browser python_client
	npm run --silent build -w clients/typescript
	cargo build --locked --workspace --bin rialto-conformance --bin rialto-conformance-driver
	target/debug/rialto-conformance $(CONFORMANCE)

# The TypeScript client, the pages, and real Chromium pages against the binary that `rust-tests` has built.
node-tests: tools
	tests/tools/install pages browser
	npm run check
	npm test

# The messages of the Go client, by pinned plugins.
go-generate: tools ## generates the messages of the Go client from the protos
	cd clients/go && PATH="$(CURDIR)/.tools/bin:$$PATH" $(CURDIR)/$(BUF) generate

# With the detector of races where there is a C compiler; against the binary that `rust-tests` has built.
go-client-tests: ## the Go client: formatting, vet, its tests and the programs of its documentation
	cd clients/go && test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet ./... \
		&& go test -vet=off -count=1 $$([ "$$(go env CGO_ENABLED)" != 1 ] || echo -race) ./...

go-driver: ## builds the driver of the Go client for `make conformance`
	cd tests/conformance/drivers/go && test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet . \
		&& go build -o $(CURDIR)/.tools/bin/rialto-conformance-go .

# Maven keeps what it fetches, and what is installed here, below .tools/.
MAVEN := mvn -B -q -Dmaven.repo.local=$(CURDIR)/.tools/m2

# The programs of its documents run against the binary that `rust-tests` has built.
java-client-tests: ## the Java client: its tests and the programs of its documents
	tests/tools/install java_client
	mvn -B -ntp -Dstyle.color=never -Dmaven.repo.local=$(CURDIR)/.tools/m2 -f clients/java/pom.xml verify | grep -E 'Tests run:|ERROR|BUILD'

java-driver: ## builds the driver of the Java client for `make conformance`
	tests/tools/install java_client
	$(MAVEN) -f clients/java/pom.xml -Dmaven.test.skip=true install
	$(MAVEN) -f tests/conformance/drivers/java/pom.xml package

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

# The module of the sender and of the receivers in Go is vetted here, since no test builds it.
bench-clients: ## what each client receives and what an event costs it, beside the clients of NATS and Socket.IO, about 4 minutes; CLIENTS="--write docs/benchmarks.md" renews the document
	tests/tools/install go node pages java_client receivers
	npm run -s build -w clients/typescript
	cd tests/receivers/go && go vet ./... && go build -o $(CURDIR)/.tools/bin/rialto-receivers/ ./...
	$(MAVEN) -f clients/java/pom.xml -Dmaven.test.skip=true install
	$(MAVEN) -f tests/receivers/java/pom.xml package
	cargo build --locked --profile dist -p rialto-server -p rialto-tests --features rialto-tests/peers --bin rialto --bin rialto-receiver
	node tests/receivers/run.mjs $(CLIENTS)

comparison: ## recovery and delivery beside Socket.IO, some minutes; COMPARISON="--write docs/comparison.md" renews the document
	tests/tools/install pages comparison
	npm run build -w clients/typescript
	[ -x "$(RIALTO_BIN)" ] || cargo build --locked --bin rialto
	node tests/comparison/run.mjs $(COMPARISON)

stubs: ## generates and compiles stubs for other languages, and holds a session with each
	tests/tools/install stubs
	[ -x "$(RIALTO_BIN)" ] || cargo build --locked --bin rialto
	tests/stubs/run

# RIALTO_BIN is the binary that `rust-tests` has built.
python-client-tests: ## types and tests of the Python client, the programs of its documents among them
	tests/tools/install python_client
	cd clients/python && ../../.tools/python-client/bin/mypy && MYPYPATH=src ../../.tools/python-client/bin/mypy tests tools
	cd tests/conformance/drivers/python && MYPYPATH=. ../../../../.tools/python-client/bin/mypy --strict driver.py
	cd clients/python && ../../.tools/python-client/bin/python -W error -m unittest discover -s tests

python-generate: ## generates the stubs of the Python client from the protos
	tests/tools/install python_client
	.tools/python-client/bin/python clients/python/tools/generate.py

example: example-build ## a shop of services in Go, Java, Python and a page: builds and starts all of it, and prints its address
	exec examples/shop/run

example-test: example-build ## the same in a real browser, with a price service killed between two orders
	tests/tools/install browser
	cd examples/shop/orders && test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet .
	.tools/python-client/bin/mypy --strict examples/shop/invoices/invoices.py
	node_modules/.bin/tsc -p examples/shop/page
	node --test examples/shop/test.mjs

example-build:
	tests/tools/install pages java_client python_client
	[ -x "$(RIALTO_BIN)" ] || cargo build --locked --bin rialto
	cd examples/shop/orders && go build -o $(CURDIR)/.tools/bin/rialto-shop-orders .
	$(MAVEN) -f clients/java/pom.xml -Dmaven.test.skip=true install
	$(MAVEN) -f examples/shop/prices/pom.xml package
	npm run -s build -w clients/typescript
	node_modules/.bin/vite build --logLevel warn examples/shop/page

clean: ## removes what was built and installed here
	cargo clean
	rm -rf .tools node_modules */node_modules */*/node_modules

tools:
	@tests/tools/install go node python faults
