# Everything a person or CI does with this tree. `make help` lists it.

# The tools that check and generate are pinned in tools/go.mod, outside the
# workspace, so that they never move a version that Redrive is built with.
TOOLS := tools/bin
LINT := $(TOOLS)/golangci-lint
PLUGINS := $(addprefix $(TOOLS)/,protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2)
BUF := tools/node_modules/.bin/buf

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Arguments of `make demo`, such as ARGS=--exit.
ARGS ?=
# What `make test` and `make lint` look at; narrow it while you work, such as
# PKG=./services/configsvc/...
PKG ?= work
# Files with tests that kill the process at a failpoint.
CRASH = $(sort $(dir $(shell git grep -l '^//go:build .*failpoint' -- '*_test.go')))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/redrive, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/redrive ./cmd/redrive

# The jobs of the demo and the clients of other schedulers.
.PHONY: examples
examples:
	@mkdir -p bin/examples
	CGO_ENABLED=0 go build -trimpath -o bin/examples/ ./examples/aggregate ./examples/fetch ./examples/mystery ./examples/external-grpc ./examples/external-event
	CGO_ENABLED=0 go build -trimpath -o bin/examples/report ./examples/report/broken
	CGO_ENABLED=0 go build -trimpath -o bin/examples/report-fixed ./examples/report/fixed

.PHONY: demo
demo: build examples ## Run the demo on the real system; ARGS=--exit ends by itself
	bin/redrive demo $(ARGS)

# Real Spark: pyspark from PyPI, in a cache outside of the tree. Where that cannot
# be had it says why and fails; with ARGS=--if-possible it says so and is content.
.PHONY: demo-spark
demo-spark: build ## Run the demo on real PySpark jobs; ARGS=--exit ends by itself
	@status=0; spark=$$(tools/spark) || status=$$?; \
	case "$$status$(filter --if-possible,$(ARGS))" in \
	0*) bin/redrive demo --spark "$$spark" $(filter-out --if-possible,$(ARGS));; \
	3--if-possible) echo 'the demo of Spark is skipped';; \
	*) exit $$status;; \
	esac

.PHONY: test
test: test-needs ## Run all tests with the race detector, then the crash tests
	go test -race -timeout 20m $(PKG)
	@$(MAKE) --no-print-directory test-redis
	@$(MAKE) --no-print-directory test-crash

# The race detector links with C; strace shows that what is accepted is synced.
# The Redis driver is tested on real servers. Nothing else that tests use is
# outside of Go modules.
.PHONY: test-needs
test-needs:
	@.ci/need gcc:gcc git:git strace:strace redis-server:redis-server redis-sentinel:redis-sentinel
	@printf 'int main(void){return 0;}' | gcc -x c -o /dev/null - 2>/dev/null || .ci/need -f libc6-dev

# What keeps documents is tested on an embedded store by all of the above; here
# the same tests run on real Redis servers.
REDIS_TESTED := ./pkg/docstore ./pkg/lease ./pkg/outbox $(addsuffix /...,$(wildcard ./services/*/internal/store ./services/*/internal/ledger))
.PHONY: test-redis
test-redis: test-needs ## Run the tests of all that keeps documents on Redis
	REDRIVE_TEST_STORE=redis go test -race -timeout 20m $(REDIS_TESTED)

.PHONY: test-crash
test-crash: test-needs ## Kill the server at every failpoint, restart it, look for what is lost
	$(if $(strip $(CRASH)),go test -race -count=1 -timeout 30m -tags failpoint $(addprefix ./,$(CRASH)),@echo "no test is built with the failpoint tag")

# The deployment's tests: two replicas of everything from bin/redrive, three of
# the NATS server that tools/go.mod pins, and a Redis, all on this machine.
.PHONY: test-cluster
test-cluster: build bin/nats-server ## Kill and stop parts of a deployment while jobs run; SEED=n plays one again
	@.ci/need redis-server:redis-server
	go test -count=1 -timeout 20m -tags cluster -v ./cmd/redrive/internal/cluster

bin/nats-server: tools/go.mod tools/go.sum
	@echo 'building $@'
	@cd tools && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../$@ github.com/nats-io/nats-server/v2
	@touch $@

.PHONY: check
check: check-fmt check-vet check-fix check-tidy lint check-bench check-proto check-gen check-names check-deploy check-telemetry ## Check all that CI checks, short of the tests

.PHONY: check-fmt
check-fmt: $(LINT)
	$(LINT) fmt --diff

.PHONY: check-vet
check-vet:
	go vet $(PKG)
	go vet -tags failpoint $(PKG)
	go vet -tags cluster ./cmd/redrive/internal/cluster

.PHONY: check-fix
check-fix:
	@go fix -diff ./...

.PHONY: check-tidy
check-tidy:
	go mod tidy -diff

.PHONY: lint
lint: $(LINT) ## Run the linters of .golangci.yml
	$(LINT) run $(if $(filter work,$(PKG)),./...,$(PKG))

# A change is compared with the commit before it: in CI the branch itself is
# what is being checked.
.PHONY: check-proto
check-proto: $(BUF)
	$(BUF) lint
	$(BUF) format --diff --exit-code
	@if git rev-parse --quiet --verify HEAD~1:proto >/dev/null; then \
		echo '$(BUF) breaking --against .git#ref=HEAD~1'; $(BUF) breaking --against '.git#ref=HEAD~1'; \
	else echo 'no commit before this one to compare the protos with'; fi

# Generates apart and compares, so that it finds stale files and works in a
# tree with changes.
.PHONY: check-gen
check-gen: $(BUF) $(PLUGINS)
	@rm -rf bin/gen && $(BUF) generate --output bin/gen
	@diff -r -x '*.proto' -x gateway.yaml -x openapi.yaml -x openapi.go bin/gen/proto proto || \
		{ echo 'generated code is not what the protos say: run make gen and commit it'; exit 1; }
	@rm -rf bin/gen

.PHONY: check-names
check-names:
	@.ci/names

# Renders the manifests and lets the program judge their flags; needs no kubectl.
.PHONY: check-deploy
check-deploy: build $(LINT)
	cd tools/deploy && GOWORK=off go mod tidy -diff
	cd tools/deploy && GOWORK=off ../bin/golangci-lint run ./...
	cd tools/deploy && GOWORK=off REDRIVE_BINARY='$(CURDIR)/bin/redrive' go test -count=1 ./manifest

.PHONY: test-deploy
test-deploy: build bin/nats-server ## Run the processes that deploy/k8s/overlays/distributed describes
	@.ci/need redis-server:redis-server redis-cli:redis-tools
	cd tools/deploy && GOWORK=off REDRIVE_BINARY='$(CURDIR)/bin/redrive' REDRIVE_NATS_SERVER='$(CURDIR)/bin/nats-server' \
		go test -count=1 -timeout 10m -v ./smoke

.PHONY: test-k8s
test-k8s: ## Apply deploy/k8s to a real API server, built on the first run (minutes)
	@folder=$$(tools/kube/build.sh) || { s=$$?; [ $$s = 3 ] || exit $$s; echo 'SKIPPED: no API server here; why is said above'; exit 0; }; \
	cd tools/deploy && GOWORK=off REDRIVE_KUBE="$$folder" go test -count=1 -v ./kube

# The same sources give the same image, on any machine.
.PHONY: image
image: ## Build bin/redrive-image.tar, the container image, without a daemon
	@for arch in amd64 arm64; do \
		GOWORK=off CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' \
			-o bin/image/redrive-$$arch ./cmd/redrive || exit; done
	@cd tools/deploy && GOWORK=off go run ./cmd/image -o ../../bin/redrive-image.tar -version '$(VERSION)' \
		-revision "$$(git rev-parse HEAD)" -created "$$(git log -1 --format=%ct)" \
		amd64=../../bin/image/redrive-amd64 arm64=../../bin/image/redrive-arm64

.PHONY: test-image
test-image: image ## Unpack the image and run it once as a container
	cd tools/deploy && GOWORK=off REDRIVE_IMAGE_BINARIES='$(CURDIR)/bin/image' go test -count=1 -timeout 10m -v ./image

# Metrics: promtool is used where it can be had; go test ./deploy does the rest.
.PHONY: check-telemetry
check-telemetry: ## Check the dashboard and the rules, and test the alerts
	PROMTOOL="$$(.ci/promtool)" go test -count=1 ./deploy

.PHONY: gen
gen: $(BUF) $(PLUGINS) ## Generate Go, gateway and OpenAPI from proto/
	$(BUF) generate

.PHONY: fmt
fmt: $(LINT) $(BUF) ## Format Go and protos
	$(LINT) fmt
	$(BUF) format -w

.PHONY: clean
clean: ## Remove what was built, the tools too
	rm -rf bin tools/bin tools/node_modules

$(LINT): PACKAGE = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/protoc-gen-go: PACKAGE = google.golang.org/protobuf/cmd/protoc-gen-go
$(TOOLS)/protoc-gen-go-grpc: PACKAGE = google.golang.org/grpc/cmd/protoc-gen-go-grpc
$(TOOLS)/protoc-gen-grpc-gateway: PACKAGE = github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway
$(TOOLS)/protoc-gen-openapiv2: PACKAGE = github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2

$(LINT) $(PLUGINS): tools/go.mod tools/go.sum
	@echo 'building $@$(if $(filter $(LINT),$@), (a few minutes the first time))'
	@cd tools && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../$@ $(PACKAGE)
	@touch $@

$(BUF): tools/package.json tools/package-lock.json
	npm ci --prefix tools --ignore-scripts
	@touch $@

# Logs whose classes are known: one JSON object a line with id, text and class.
CORPUS ?= ../shared/corpus/failures.jsonl
.PHONY: eval-rules
eval-rules: build ## Say how right the rules are on a corpus of labelled logs; CORPUS=FILE, -v by EVAL_FLAGS
	@go run ./rules/eval -redrive bin/redrive -corpus '$(CORPUS)' $(EVAL_FLAGS)

# Comparisons with other systems. bench/ is a module of its own, so that what
# Redrive is compared with never moves what it is built with.
BENCH := cd bench && GOWORK=off
# More flags, such as BENCH_FLAGS='-rounds 9 -run 10s'.
BENCH_FLAGS ?=

.PHONY: bench-build
bench-build: build bin/nats-server
	@.ci/need redis-server:redis-server
	@mkdir -p bin/bench/data
	@go test -c -o bin/bench/contestant ./cmd/redrive/internal/loop
	@$(BENCH) go build -o ../bin/bench/bench .

.PHONY: bench-loop
bench-loop: bench-build ## Compare whole cycles with other systems: a few minutes
	bin/bench/bench loop -redrive bin/bench/contestant -serve bin/redrive -nats bin/nats-server -dir bin/bench/data $(BENCH_FLAGS)

.PHONY: bench-growth
bench-growth: bench-build ## Compare cycles on large stores with cycles on an empty one; some 4 GB of disk
	bin/bench/bench growth -redrive bin/bench/contestant -dir bin/bench/data $(BENCH_FLAGS)

.PHONY: bench-memory
bench-memory: bench-build ## Weigh a process with 100,000 open jobs
	bin/bench/bench memory -redrive bin/bench/contestant -dir bin/bench/data $(BENCH_FLAGS)

# Rule engines against Hyperscan, RE2's sets and a plain loop. Hyperscan is a
# library of C: it is installed where it is missing, and linked here alone.
.PHONY: bench-classify
bench-classify: bench-classify-build ## Compare the rule engine with Hyperscan, RE2 and a loop: some minutes
	bin/bench/classify classify -redrive bin/bench/rules -dir bin/bench/data $(BENCH_FLAGS)

.PHONY: bench-classify-build
bench-classify-build: test-needs
	@.ci/need pkg-config:pkg-config
	@pkg-config --exists libhs || .ci/need -f libhyperscan-dev
	@mkdir -p bin/bench/data
	@go test -c -o bin/bench/rules ./services/classifier/internal/rule
	@$(BENCH) go build -tags hyperscan -o ../bin/bench/classify .

# The program and the traces of real tasks are not part of this tree; without
# them made-up tasks are played.
REPLAY ?= ../shared/replay
TRACES ?= ../shared/traces
RECOMMEND = bin/bench/bench recommend -replay bin/bench/replay -advise 'bin/redrive advise' -search bin/bench/search -training bin/bench/training

.PHONY: bench-recommend
bench-recommend: bench-recommend-build ## Play traces against other policies, time the search and a training: some minutes
	@rm -f bin/bench/replay
	@if [ -d '$(REPLAY)' ]; then out='$(CURDIR)/bin/bench/replay'; cd '$(REPLAY)' && GOWORK=off go build -o "$$out" .; fi
	$(RECOMMEND) -traces '$(TRACES)' $(BENCH_FLAGS)

.PHONY: bench-recommend-build
bench-recommend-build: build
	@mkdir -p bin/bench/data
	@go test -c -o bin/bench/search ./services/recommender/internal/search
	@go test -c -o bin/bench/training ./services/recommender/internal/training
	@$(BENCH) go build -o ../bin/bench/bench .

# What each of them prints is checked: every ratio is there, and a number.
.PHONY: bench-smoke
bench-smoke: bench-build bench-classify-build bench-recommend-build ## Run all comparisons once, too short to mean anything
	bin/bench/bench loop -redrive bin/bench/contestant -serve bin/redrive -nats bin/nats-server -dir bin/bench/data -rounds 1 -warm 200ms -run 500ms
	bin/bench/bench growth -redrive bin/bench/contestant -dir bin/bench/data -rounds 1 -warm 200ms -run 500ms -failures 1000
	bin/bench/bench memory -redrive bin/bench/contestant -dir bin/bench/data -rounds 1 -jobs 1000
	bin/bench/classify classify -redrive bin/bench/rules -dir bin/bench/data -rounds 1 -least 1ms -rules 30,300 -sizes 4KB,64KB
	$(RECOMMEND) -replay '' -rounds 1 -tasks 60 -benchtime 10x -records 2000

.PHONY: check-bench
check-bench: $(LINT)
	$(BENCH) go mod tidy -diff
	$(BENCH) go vet ./...
	$(BENCH) go test ./...
	$(BENCH) ../$(LINT) fmt --diff
	$(BENCH) ../$(LINT) run ./...
