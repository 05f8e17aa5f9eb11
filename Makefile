# A thin front for Meson. Every goal first looks for the Debian packages that it needs (tools/deps).
BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all demo test transcripts test-ci bench install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/deps build
	@meson setup $(BUILD) --prefix $(PREFIX) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }

demo: all
	@tools/deps demo
	@tools/demo

# TESTFLAGS goes to tools/test: see tools/test --help
test:
	@tools/deps build test
	@tools/test $(TESTFLAGS)

# The main job and the client tests as nobody in what a bare container gives; part of `test`.
test-ci: all
	@tools/deps build test
	@tools/test-ci

# Both transcripts side by side, with the intel IOMMU, the amd one, none, and mediated devices: what a
# real kernel said and what uvfio says. PROBES="config-* irq-*" chooses, LIVE=1 boots the kernel rather
# than reading records, KERNEL=bzImage one with no-IOMMU mode and the parent mtty, which Debian's has
# not.
transcripts: all
	@for of in "intel nvme" "amd nvme" "none nvme" "intel mdev"; do \
		set -- $$of; \
		tests/uapi/compare --show --iommu $$1 --machine $$2 $(if $(LIVE),,--recorded) \
			$$([ $$1$$2 = intelnvme ] || [ $$1 = amd ] || echo $(if $(KERNEL),--kernel $(KERNEL))) \
			--program $(BUILD)/tests/uapi/uapi-probes \
			--static $(BUILD)/tests/uapi/uapi-probes-static $(PROBES) || exit 1; \
	done

bench:
	@tools/deps build demo
	@tools/bench $(BENCHFLAGS)

install: all
	@meson install -C $(BUILD)

clean:
	@rm -rf $(BUILD) $(BUILD)-*
