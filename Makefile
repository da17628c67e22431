# The few words a user needs, over Meson. Everything is built under $(BUILD).
BUILD = build
PREFIX = /usr/local
DESTDIR =
MESON_FLAGS =
PYTHON = /usr/bin/python3
# All of them each time: Meson forgets the others when the prefix is set.
PLACES = --prefix=$(PREFIX) --sysconfdir=/etc --localstatedir=/var

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(PLACES) -Dtests=auto $(MESON_FLAGS)

demo:
	tests/setup.sh demo
	@$(MAKE) --no-print-directory all
	BUILD=$(BUILD) demo/demo.sh

tested:
	tests/setup.sh test
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	meson configure $(BUILD) -Dtests=enabled
	@$(MAKE) --no-print-directory all

test: tested
	$(PYTHON) tests/run.py --build $(BUILD)

bench: tested
	ninja -C $(BUILD) benchmarks
	$(PYTHON) bench/bench.py --build $(BUILD)

install: $(BUILD)/build.ninja
	meson configure $(BUILD) $(PLACES)
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

.PHONY: all demo tested test bench install uninstall clean
