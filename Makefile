# Everything a newcomer needs is `make demo` and `make test`.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -trimpath -buildvcs=false

BIN := bin/probity
STATICCHECK := .cache/staticcheck
# Packages with goroutines of their own run under the race detector too.
RACE := ./internal/store/... ./internal/vault ./internal/stream/... ./internal/subject ./internal/consent \
	./internal/collect ./internal/worker ./internal/predict ./internal/org ./internal/rights ./internal/api
NODE_TESTS := e2e/clients/npm

.PHONY: demo build test bench e2e crash lint race generate drift setup clean

demo: build ## builds Probity and runs it with a demo shop and simulated visitors
	./$(BIN) demo

build:
	go build -ldflags '-s -w' -o $(BIN) ./cmd/probity

test: setup build ## all set-up included
	go test $$(go list ./... | grep -v -e /e2e/ -e /sdk)
	go test -p 1 ./sdk/... ./e2e/... # browsers and whole servers: one at a time
	cd $(NODE_TESTS) && npm ci --no-audit --no-fund --silent && npm test --silent

e2e: setup build ## the browser and client tests alone
	go test -p 1 -count=1 ./sdk/... ./e2e/...
	cd $(NODE_TESTS) && npm ci --no-audit --no-fund --silent && npm test --silent
	cd e2e/clients/gosdk && go test -count=1 -timeout 60m ./...

crash: build ## kill -9 at 200 random moments under load
	PROBITY_CRASH_KILLS=200 go test -count=1 -timeout 60m -run Kill -v ./e2e/crash

bench: build ## prints each figure beside the limit measured in the same run
	go run ./e2e/bench -binary $(BIN)

lint: $(STATICCHECK)
	@test -z "$$(gofmt -l cmd internal sdk verify e2e | tee -a /dev/stderr)"
	go vet ./...
	$(STATICCHECK) ./...

$(STATICCHECK): tools/go.mod
	cd tools && go build -o ../$(STATICCHECK) honnef.co/go/tools/cmd/staticcheck

race:
	CGO_ENABLED=1 go test -race -short -timeout 20m $(RACE)

generate:
	go generate ./...

drift: generate ## generated files are committed as they are generated
	@git diff --exit-code -- sdk/dist verify/page/dist || { echo "sdk/dist or verify/page/dist is stale: run 'make generate' and commit"; exit 1; }

setup:
	@./tools/setup

clean:
	rm -rf bin .cache
