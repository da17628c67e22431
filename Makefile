# The few words a user needs, over Meson. Everything is built under $(BUILD).
BUILD = build
PREFIX = /usr/local
DESTDIR =
MESON_FLAGS =
PYTHON = /usr/bin/python3
CLANG = $(shell command -v clang-14 || echo clang)
FUZZ_SECONDS = 60
# All of them each time: Meson forgets the others when the prefix is set.
PLACES = --prefix=$(PREFIX) --sysconfdir=/etc --localstatedir=/var

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(PLACES) $(MESON_FLAGS)

setup:
	tests/setup.sh

demo: setup
	@$(MAKE) --no-print-directory all
	BUILD=$(BUILD) demo/demo.sh

test: setup
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/run.py --build $(BUILD)

# All of it that needs no root; installs nothing.
check:
	@$(PYTHON) tests/missing
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/run.py --build $(BUILD) --no-system

# Every fuzz target for so many seconds. What they find stays in $(BUILD)-fuzz and is gone on from.
fuzz: $(BUILD)-fuzz/build.ninja
	ninja -C $(BUILD)-fuzz fuzzers
	fuzz/run $(BUILD)-fuzz $(FUZZ_SECONDS)

$(BUILD)-fuzz/build.ninja:
	CC=$(CLANG) meson setup $(BUILD)-fuzz -Dfuzz=true -Dtests=false \
		-Db_sanitize=address,undefined -Db_lundef=false $(MESON_FLAGS)

bench: setup
	@$(MAKE) --no-print-directory all
	ninja -C $(BUILD) benchmarks
	$(PYTHON) bench/bench.py --build $(BUILD)

install: $(BUILD)/build.ninja
	meson configure $(BUILD) $(PLACES)
	@! grep -q '"name": "sandbox", "value": "off"' $(BUILD)/meson-info/intro-buildoptions.json || \
	{ echo '$(BUILD) is built with -Dsandbox=off, for debugging only: not installed' >&2; exit 1; }
	ninja -C $(BUILD)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

# What install put there, by the same list; configuration and state stay.
uninstall: $(BUILD)/build.ninja
	meson configure $(BUILD) $(PLACES)
	meson introspect $(BUILD) --installed | $(PYTHON) -c 'import json, sys; \
	print("\n".join("$(DESTDIR)" + path for path in json.load(sys.stdin).values()))' | \
	xargs -r -d '\n' rm -vf

clean:
	rm -rf $(BUILD)

.PHONY: all setup demo test check fuzz bench install uninstall clean
