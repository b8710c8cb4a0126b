# berry: one profile in, one image per node out. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

OUT       ?= out
CACHE     ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/berry
BASE       = $(OUT)/base/raspios-standin-trixie-arm64.img
PROFILE    = $(OUT)/berries.yaml
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
TAGS       = root,qemu

# One static binary per architecture of Raspberry Pi OS; ARMv6 code runs on
# every 32-bit board.
FIRSTBOOT = $(foreach arch,arm64 armhf amd64,overlays/bin/berry-firstboot-$(arch).gz)
SOURCES  := $(shell git ls-files -- '*.go' go.mod go.sum overlays profiles 2>/dev/null)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: tools build $(BASE) $(PROFILE) ## build five images of clusters/berries.yaml from a stand-in base into out/
	@testimages/demo $(OUT) $(BASE) $(PROFILE)

.PHONY: test
test: lint test-unit test-root test-qemu ## everything that this machine can run, the QEMU boot included

.PHONY: build
build: $(OUT)/berry ## the program berry, with berry-firstboot for every architecture in it

.PHONY: lint
lint: build ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet -tags $(TAGS) ./...
	go run $(STATICCHECK) -tags $(TAGS) ./...

.PHONY: test-unit
test-unit: tools build ## go test -race ./..., as an ordinary user
	testimages/as-user go test -race ./...

.PHONY: test-root
test-root: tools build ## the tests that need root: the card step on loop devices
	go test -count=1 -tags root ./firstboot/...

.PHONY: test-qemu
test-qemu: tools build $(BASE) ## build cluster01's image and boot it from an SD card in QEMU, three times
	BERRY_BASE=$(abspath $(BASE)) BERRY_BIN=$(abspath $(OUT)/berry) BERRY_ARTEFACTS=$(abspath $(OUT))/artefacts \
	  go test -count=1 -v -timeout 30m -tags qemu ./testimages

.PHONY: bench
bench: tools build $(BASE) ## time the build beside its floor and beside virt-customize
	testimages/bench $(OUT) $(BASE)

.PHONY: clean
clean: ## remove out/ (not the cache)
	rm -rf $(OUT) $(FIRSTBOOT)

.PHONY: tools
tools: ## install what is missing (apt, as root or through sudo)
	@testimages/install

overlays/bin/berry-firstboot-amd64.gz: TARGET = GOARCH=amd64
overlays/bin/berry-firstboot-arm64.gz: TARGET = GOARCH=arm64
overlays/bin/berry-firstboot-armhf.gz: TARGET = GOARCH=arm GOARM=6
$(FIRSTBOOT): $(filter firstboot/% go.mod go.sum,$(SOURCES))
	@echo "go build berry-firstboot ($(TARGET))"
	@CGO_ENABLED=0 GOOS=linux $(TARGET) go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o $@.bin ./firstboot
	@gzip -9 -n -c $@.bin > $@.tmp && rm $@.bin && mv $@.tmp $@

$(OUT)/berry: $(SOURCES) $(FIRSTBOOT)
	@mkdir -p $(OUT)
	go build -trimpath -o $@ ./builder

$(BASE):
	@mkdir -p $(@D)
	go run ./testimages/standin -arch arm64 -o $@

# The example cluster with what its owner would put beside it: a key to log in
# with, and the password of a dynamic DNS account.
$(PROFILE): profiles/clusters/berries.yaml
	@mkdir -p $(OUT)
	@test -e $(OUT)/id || ssh-keygen -q -t ed25519 -N '' -C 'berry demo' -f $(OUT)/id
	@test -e $(OUT)/ddns-password || (umask 077; echo demo > $(OUT)/ddns-password)
	@cp $< $@
