# The few words a user needs, over Meson. Everything is built under $(BUILD).
BUILD = build
PREFIX = /usr/local
DESTDIR =
FORCE =
MESON_FLAGS =
PYTHON = /usr/bin/python3
CLANG = clang
FUZZ_SECONDS = 60
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

# What README.md shows, from a demonstration of the present build.
picture:
	tests/setup.sh demo
	@$(MAKE) --no-print-directory all
	BUILD=$(BUILD) demo/picture.py doc/demo.svg

# Debian packages, in $(BUILD)/deb
deb:
	tests/setup.sh deb
	pkg/make-deb $(BUILD)/deb

# The client alone, in one file that runs on any Linux: $(BUILD)/static/postern
static:
	tests/setup.sh static
	pkg/static-client $(BUILD)/static

tested:
	tests/setup.sh test
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	meson configure $(BUILD) -Dtests=enabled
	@$(MAKE) --no-print-directory all

test: tested
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
	CC=$(CLANG) meson setup $(BUILD)-fuzz -Dfuzz=true -Dtests=disabled \
		-Db_sanitize=address,undefined -Db_lundef=false $(MESON_FLAGS)

# Lines and branches run by the unit tests; with COVER=all by the system tests, too. Then there is no
# sandbox, so that the daemon's processes, which have users of their own, can write down what was run.
COVER = unit
COVERED = $(BUILD)-coverage-$(COVER)
coverage: $(COVERED)/build.ninja
	ninja -C $(COVERED)
	find $(COVERED) -name '*.gcno' | sed 's/gcno$$/gcda/' | xargs sh -c 'rm -f "$$@"; touch "$$@"; chmod 666 "$$@"' -
	-$(PYTHON) tests/run.py --build $(COVERED) $(if $(filter all,$(COVER)),,--no-system) | \
	grep --line-buffered -E '^FAILED|passed, '
	@find $(COVERED) -name '*.gcda' -empty -delete
	@tests/coverage $(COVERED)

$(COVERED)/build.ninja:
	meson setup $(COVERED) -Db_coverage=true -Dbuildtype=debug \
		-Dsandbox=$(if $(filter all,$(COVER)),off,on) $(MESON_FLAGS)

# Small faults in a copy of the code: which of them does no unit test find?
mutants: tested
	$(PYTHON) tests/mutants $(MUTANTS)

# Limits of cgroups, on a kernel of its own: minutes, more where others use the processor.
emulated:
	tests/setup.sh emulated
	tests/emulated

# Builds for other processors, and their unit tests.
processors:
	tests/setup.sh processors
	tests/processors

# With BENCH='--sizes 100000 1000000' the curve against so many clients, and nothing else.
bench: tested
	ninja -C $(BUILD) benchmarks
	$(PYTHON) bench/bench.py --build $(BUILD) $(BENCH)

install: $(BUILD)/build.ninja
	meson configure $(BUILD) $(PLACES)
	@! meson introspect --buildoptions $(BUILD) | grep -q '"name": "sandbox", "value": "off"' || \
	{ echo '$(BUILD) is built with -Dsandbox=off, for debugging only: not installed' >&2; exit 1; }
	ninja -C $(BUILD)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild
	DESTDIR=$(DESTDIR) pkg/make-user $(PREFIX)/lib/sysusers.d/postern.conf

# What install put there; configuration, state and the user stay. Refused while it is in use, but for FORCE=1.
uninstall: $(BUILD)/build.ninja
	meson configure $(BUILD) $(PLACES)
	FORCE=$(FORCE) $(PYTHON) pkg/uninstall $(BUILD) '$(DESTDIR)'

clean:
	rm -rf $(BUILD)

.PHONY: all demo deb static picture tested test check fuzz mutants coverage emulated processors bench install uninstall clean
