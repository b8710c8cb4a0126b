# berry: one profile in, one image per node out. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

OUT       ?= out
CACHE     ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/berry
BASE       = $(OUT)/base/raspios-standin-trixie-arm64.img
LOCK       = $(OUT)/berries.lock.yaml
LAB_BASE   = $(OUT)/base/raspios-standin-trixie-amd64.img
LAB        = $(addprefix $(OUT)/lab/,cluster01.img cluster02.img cluster03.img cluster04.img balancer.img)
RUN_LAB    = go run ./testimages/lab --dir $(OUT)/lab.run
CUTS      ?= 3
LAB_CUTS  ?= 3
LATE      ?= 10s
PROFILE    = $(OUT)/berries.yaml
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
TAGS       = root,qemu,apt,lab,chromium

# One static binary per architecture of Raspberry Pi OS; ARMv6 code runs on
# every 32-bit board.
FIRSTBOOT = $(foreach arch,arm64 armhf amd64,overlays/bin/berry-firstboot-$(arch).gz)
# Written by git at every commit and checkout: berry version tells which it was.
HEAD_LOG := $(wildcard $(shell git rev-parse --git-path logs/HEAD 2>/dev/null))
SOURCES  := $(shell git ls-files -- '*.go' go.mod go.sum overlays profiles 2>/dev/null)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: tools build $(LOCK) ## build five images of clusters/berries.yaml from a stand-in base into out/
	@testimages/demo $(OUT) $(BASE) $(PROFILE)

.PHONY: test
test: lint test-unit test-page test-root test-apt test-lab test-qemu ## everything that this machine can run, the QEMU boot included

.PHONY: build
build: $(OUT)/berry ## the program berry, with berry-firstboot for every architecture in it

.PHONY: man
man: build ## the man pages of berry's commands, into out/man
	$(OUT)/berry man $(OUT)/man

.PHONY: lint
lint: build ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet -tags $(TAGS) ./...
	go run $(STATICCHECK) -tags $(TAGS) ./...

.PHONY: test-unit
test-unit: tools build ## go test -race ./..., as an ordinary user
	testimages/as-user go test -race -timeout 30m ./...

.PHONY: test-page
test-page: tools ## look at the status page in Chromium, on a desk and on a phone (pictures in out/artefacts)
	BERRY_ARTEFACTS=$(abspath $(OUT))/artefacts go test -count=1 -tags chromium ./firstboot/page

.PHONY: test-root
test-root: tools build $(LAB) ## as root: write cards on loop devices, boot cards in User Mode Linux and cut their power, try the steps with real daemons in namespaces
	BERRY_LAB_IMAGE=$(abspath $(firstword $(LAB))) go test -count=1 -p 2 -timeout 2h -tags root -skip TestPackagesThroughPowerCuts ./builder/card ./firstboot/...

.PHONY: test-cuts
test-cuts: tools build $(LAB) ## as root: cut the power of cards in User Mode Linux while they install their packages (CUTS=30 takes half an hour, the three without it a quarter; no part of make test)
	BERRY_LAB_IMAGE=$(abspath $(firstword $(LAB))) BERRY_CUTS=$(CUTS) go test -count=1 -v -timeout 2h -tags root -run TestPackagesThroughPowerCuts ./firstboot

# In memory (2 GiB of it; 6 with LONG=yes): a node that syncs its card syncs all of
# this machine.
.PHONY: test-lab
test-lab: tools build $(LAB) ## as root: boot three nodes side by side in namespaces, cut, wipe, unplug and renumber them, let strangers at them; then the cluster as a whole, a server that was not flashed, and five nodes on two LANs and an internet (LAB_CUTS=50 cuts while it forms, LATE=10m for its last node, LONG=yes for all that takes long: two hours)
	TMPDIR=/dev/shm BERRY_LAB_IMAGES=$(abspath $(OUT))/lab BERRY_BIN=$(abspath $(OUT)/berry) BERRY_BASE=$(abspath $(LAB_BASE)) \
	  BERRY_CUTS=$(LAB_CUTS) BERRY_LATE=$(LATE) BERRY_LONG=$(LONG) BERRY_ARTEFACTS=$(abspath $(OUT))/artefacts \
	  go test -count=1 -v -p 1 -timeout 3h -tags lab -run 'Lab$$$(if $(LONG),|SixNodes$$)' ./testimages/lab/...

.PHONY: test-apt
test-apt: tools ## hold the choice of packages against apt's own, on today's trixie and bookworm (needs the network)
	testimages/as-user go test -count=1 -v -timeout 40m -tags apt -run AsApt ./builder/apt

.PHONY: test-qemu
test-qemu: tools build $(BASE) ## build cluster01's image and boot it from an SD card in QEMU, three times
	BERRY_BASE=$(abspath $(BASE)) BERRY_BIN=$(abspath $(OUT)/berry) BERRY_ARTEFACTS=$(abspath $(OUT))/artefacts \
	  go test -count=1 -v -timeout 30m -tags qemu -run 'TestBoot$$' ./testimages

.PHONY: qemu-cluster
qemu-cluster: tools build $(BASE) ## build three nodes' images and boot all of them in QEMU on one LAN, until they serve (more than an hour on two cores; no part of make test)
	BERRY_BASE=$(abspath $(BASE)) BERRY_BIN=$(abspath $(OUT)/berry) BERRY_ARTEFACTS=$(abspath $(OUT))/artefacts \
	  go test -count=1 -v -timeout 3h -tags qemu -run 'TestCluster$$' ./testimages

.PHONY: lab
lab: tools build $(LAB) ## as root: boot the five nodes of clusters/berries.yaml here, in two houses and on an internet, and leave them up for you
	$(RUN_LAB) up --images $(OUT)/lab
	@echo 'look into a node with: $(RUN_LAB) exec cluster01 -- bash'

.PHONY: lab-down
lab-down: ## as root: take that lab down, without a trace
	@test ! -e $(OUT)/lab.run || $(RUN_LAB) down

.PHONY: bench
bench: tools build $(BASE) ## time the build beside its floor and beside virt-customize
	testimages/bench $(OUT) $(BASE)

.PHONY: bench-flash
bench-flash: tools build $(LAB) ## as root: time berry flash beside bmaptool and dd, on one loop device (DEVICE=/dev/sdX, all of which is lost, for a card)
	testimages/bench-flash $(OUT)/berry $(firstword $(LAB)) $(DEVICE)

.PHONY: bench-forms
bench-forms: tools build $(LAB_BASE) $(PROFILE) ## time .img.xz by splicing, and .img.zst, beside xz -T0 -6 and zstd (XZ_IMAGES=1 has xz pack one image, not five)
	testimages/bench-forms $(OUT) $(LAB_BASE)

.PHONY: bench-form
bench-form: tools build $(LAB) ## as root: time how three images become a cluster beside a script that knows all
	TMPDIR=/dev/shm go run ./testimages/form --images $(OUT)/lab

.PHONY: bench-discovery
bench-discovery: tools ## as root: time how 3, 12 and 48 nodes find each other
	go test -tags root -run '^$$' -bench Discovery -benchtime 1x ./firstboot/peers

.PHONY: footprint
footprint: ## as root, with make lab up: what berry-firstboot costs a node over five idle minutes
	testimages/footprint $(OUT)/lab.run cluster01

.PHONY: clean
clean: lab-down ## remove out/ (not the cache)
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

$(OUT)/berry: $(SOURCES) $(FIRSTBOOT) $(HEAD_LOG)
	@mkdir -p $(OUT)
	go build -trimpath -o $@ ./builder

$(OUT)/base/raspios-standin-trixie-%.img:
	@mkdir -p $(@D)
	go run ./testimages/standin -arch $* -o $@

# The stand-in is made anew when Debian changes: the lock follows.
$(LOCK): $(BASE) $(PROFILE) | $(OUT)/berry
	$(OUT)/berry lock $(PROFILE) --base $(BASE)

# The nodes of the example for amd64, which User Mode Linux and the lab can
# boot. They follow the sources: berry itself is linked anew at every commit.
$(LAB) &: $(LAB_BASE) $(SOURCES) $(FIRSTBOOT) $(PROFILE) | $(OUT)/berry
	@mkdir -p $(@D)
	@cp $(PROFILE) $(OUT)/id.pub $(OUT)/ddns-password $(@D)
	@rm -f $(@D)/berries.lock.yaml
	$(OUT)/berry build $(@D)/berries.yaml $(basename $(notdir $(LAB))) -o $(@D) --base $<

# The example cluster with what its owner would put beside it: a key to log in
# with, and the password of a dynamic DNS account.
$(PROFILE): profiles/clusters/berries.yaml
	@mkdir -p $(OUT)
	@test -e $(OUT)/id || ssh-keygen -q -t ed25519 -N '' -C 'berry demo' -f $(OUT)/id
	@test -e $(OUT)/ddns-password || (umask 077; echo demo > $(OUT)/ddns-password)
	@cp $< $@
