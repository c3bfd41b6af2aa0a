# tidemark's build. `make help` lists the targets.
#
# One set of rules builds every variant: `make VARIANT=asan programs` puts the same sources, compiled
# with other flags, below build/asan/. Only the release binary has the short name build/tidemark.

VARIANT ?= release
WERROR  ?= -Werror
SUITE   ?=
OUT     := build/$(VARIANT)
VERSION := $(shell cat VERSION)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
# Objects of test programs are intermediate files to make, which would delete them.
.SECONDARY:

# All cores, unless a sub-make, which shares its parent's jobs. Targets that talk to a person while
# they run must not have their output held back until they end.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
ifeq ($(filter run test unit sim soak instructions asan tsan e2e e2e-sanitized lint fuzz coverage bench bench-flink setup,$(MAKECMDGOALS)),)
MAKEFLAGS += --output-sync=target
endif
endif

# ---- What is built ------------------------------------------------------------------------------

SOURCES      := $(sort $(wildcard src/main.c src/*/*.c))
LIB_SOURCES  := $(filter-out src/main.c,$(SOURCES))
# The page, and the assembler file that puts it into the binary.
PAGE_FILES   := $(sort $(wildcard src/control/page/*))
PAGE         := $(OUT)/src/control/page/embed.o
TEST_SOURCES := $(sort $(shell find tests/unit tests/sim -name 'test_*.c' 2>/dev/null))
# Shared by tests: linked to those programs that use them.
TEST_SUPPORT := $(sort $(wildcard tests/unit/support/*.c) \
                       $(filter-out tests/sim/test_%,$(wildcard tests/sim/*.c)))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
SHIM_SOURCES := $(sort $(wildcard tests/shim/*.c))
# Counted by callgrind.
HOT_SOURCES  := tests/instructions/hot_path.c
BENCH_SOURCES := $(sort $(wildcard bench/*.c bench/*/*.c))

BIN       := $(if $(filter release,$(VARIANT)),build/tidemark,$(OUT)/tidemark)
LIB       := $(OUT)/libtidemark.a
TESTLIB   := $(OUT)/libtestsupport.a
TESTS     := $(TEST_SOURCES:%.c=$(OUT)/%)
HOT_PATH  := $(HOT_SOURCES:%.c=$(OUT)/%)
FUZZERS   := $(FUZZ_SOURCES:tests/fuzz/%.c=build/fuzz/%)
BENCHES   := $(OUT)/bench/floor $(OUT)/bench/stages/stages
C_SOURCES := $(SOURCES) $(TEST_SOURCES) $(TEST_SUPPORT) $(HOT_SOURCES) $(FUZZ_SOURCES) $(SHIM_SOURCES) \
             $(BENCH_SOURCES)

# ---- Flags --------------------------------------------------------------------------------------

PACKAGES := rdkafka libcurl libcrypto libmicrohttpd jansson expat yaml-0.1 libzstd liblz4 libisal
# Asked once, and only by a target that compiles: `make help` works before `make setup`.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wformat=2 -Wvla -Wwrite-strings -Wpointer-arith -Wundef -Wimplicit-fallthrough $(WERROR)

# Such a program is ten times as slow, so the simulation plays fewer histories.
SLOW     := -DSIM_SHORT
SANITIZE := -fno-omit-frame-pointer -fno-sanitize-recover=all -O1 $(SLOW)

ifeq ($(VARIANT),release)
  VARIANT_CFLAGS  := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
  VARIANT_LDFLAGS := -Wl,-z,relro,-z,now
else ifeq ($(VARIANT),asan)
  VARIANT_CFLAGS  := $(SANITIZE) -fsanitize=address,undefined
  VARIANT_LDFLAGS := -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
  VARIANT_CFLAGS  := $(SANITIZE) -fsanitize=thread
  # -rdynamic lets librdkafka find the shim's thrd_*, mtx_* and cnd_* before the C library's.
  VARIANT_LDFLAGS := -fsanitize=thread -rdynamic
  SHIM            := $(SHIM_SOURCES:%.c=$(OUT)/%.o)
else ifeq ($(VARIANT),clang)
  CC              := clang
  # Its warnings come before it optimizes, and nobody runs what it makes.
  VARIANT_CFLAGS  := -O0 -g0
else ifeq ($(VARIANT),fuzz)
  CC              := clang
  VARIANT_CFLAGS  := $(SANITIZE) -fsanitize=fuzzer-no-link,address,undefined
  VARIANT_LDFLAGS := -fsanitize=fuzzer,address,undefined
else ifeq ($(VARIANT),coverage)
  VARIANT_CFLAGS  := -O0 $(SLOW) --coverage -fprofile-update=atomic
  VARIANT_LDFLAGS := --coverage
else
  $(error unknown VARIANT '$(VARIANT)': release, asan, tsan, clang, fuzz or coverage)
endif

ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DTIDEMARK_VERSION='"$(VERSION)"' -Isrc -Itests/unit \
             -g -fPIE -pthread $(WARNINGS) $(VARIANT_CFLAGS) $(PKG_CFLAGS) $(CFLAGS)
LINK = $(CC) -pie -pthread $(VARIANT_LDFLAGS) $(LDFLAGS)
LIBS = $(PKG_LIBS) -lm

# `make V=1` shows whole command lines.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

# ---- Rules --------------------------------------------------------------------------------------

.PHONY: all programs test-programs bench-programs
all: $(BIN) ## Build build/tidemark (the default)

test-programs: $(TESTS)
bench-programs: $(BENCHES)
programs: $(BIN) $(TESTS) $(HOT_PATH) $(BENCHES)
# For clang, of which only warnings are wanted.
.PHONY: objects
objects: $(patsubst %.c,$(OUT)/%.o,$(filter-out $(FUZZ_SOURCES) $(SHIM_SOURCES),$(C_SOURCES)))
# For scripts/test.
.PHONY: list-tests
list-tests:
	@printf '%s\n' $(TESTS)

# For tests/sim/mutate: how a source is compiled, and linked with something in MUTANT's place.
.PHONY: print-compile print-link
print-compile:
	@printf '%s\n' "$(subst ",\",$(CC) $(ALL_CFLAGS))"
print-link:
	@printf '%s\n' "$(LINK) MUTANT $(TESTLIB) $(LIB) $(LIBS) -lcmocka -lssl"

$(BIN): $(OUT)/src/main.o $(LIB) $(SHIM)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $(OUT)/src/main.o $(SHIM) $(LIB) $(LIBS)

# Archives are made anew, so that a removed source leaves no member behind.
$(LIB): $(LIB_SOURCES:%.c=$(OUT)/%.o) $(PAGE)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(TESTLIB): $(TEST_SUPPORT:%.c=$(OUT)/%.o)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

$(TESTS) $(HOT_PATH): %: %.o $(TESTLIB) $(LIB) $(SHIM)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $< $(SHIM) $(TESTLIB) $(LIB) $(LIBS) -lcmocka -lssl

# The floor is librdkafka alone.
$(OUT)/bench/floor: $(OUT)/bench/floor.o
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $< -lrdkafka

$(OUT)/bench/stages/stages: $(patsubst %.c,$(OUT)/%.o,$(wildcard bench/stages/*.c)) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# Everything depends on this file: other flags give other objects.
$(OUT)/%.o: %.c Makefile VERSION
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(PAGE): $(PAGE_FILES) Makefile
	$(call say,AS,$@)
	$(Q)mkdir -p $(@D) && $(CC) -c -o $@ src/control/page/embed.S

ifeq ($(VARIANT),fuzz)
$(FUZZERS): build/fuzz/%: $(OUT)/tests/fuzz/%.o $(TESTLIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $< $(TESTLIB) $(LIB) $(LIBS)
.PHONY: fuzz-programs
fuzz-programs: $(FUZZERS)
endif

-include $(addprefix $(OUT)/,$(C_SOURCES:.c=.d))

# ---- Targets for people -------------------------------------------------------------------------

.PHONY: help setup run test unit sim soak instructions asan tsan clang fuzz coverage e2e e2e-sanitized lint format compdb docs bench bench-flink clean
SUBMAKE := $(MAKE) --no-print-directory -s

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Install what building and testing need, each only where it is missing
	@scripts/setup build
	@scripts/setup test

# An orderly end by Ctrl-C is 130, which is no error here.
run: ## Build, then run the job with a Kafka of its own: no configuration needed
	@scripts/setup build
	@+$(SUBMAKE) all
	@trap : INT; build/tidemark run --embedded || [ $$? -eq 130 ]

test: ## Run every test; SUITE="unit lint" runs a part (scripts/test --help)
	@scripts/test $(SUITE)

unit: ## Unit tests, release build
	@scripts/test unit

sim: ## Simulated histories: crashes, faults, zombies, and mistakes that they must find
	@scripts/test sim

SOAK_SECONDS ?= 3600
soak: ## Random simulated histories, half of partitions and half of workers, for SOAK_SECONDS=3600
	@+$(SUBMAKE) build/release/tests/sim/test_random build/release/tests/sim/test_workers
	@export SIM_SECONDS=$$(($(SOAK_SECONDS) / 2)) SIM_FIRST=$${SIM_FIRST:-$$(date +%s)}; \
	 build/release/tests/sim/test_random && build/release/tests/sim/test_workers

instructions: ## Instructions per event of the hot path; tests/instructions/measure says more
	@scripts/test instructions

asan: ## Unit tests and simulation under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/test asan

tsan: ## Unit tests and simulation under ThreadSanitizer
	@scripts/test tsan

clang: ## Compile with clang as well, warnings are errors
	@+$(SUBMAKE) VARIANT=clang objects

fuzz: ## Fuzz every decoder for FUZZ_SECONDS=60 each; tests/fuzz/run says more
	@+$(SUBMAKE) VARIANT=fuzz fuzz-programs
	@tests/fuzz/run

coverage: ## Lines and branches of src/ that unit tests and simulation run; scripts/coverage says more
	@scripts/coverage

e2e: ## End-to-end tests with a real Kafka and a real S3
	@scripts/test e2e

e2e-sanitized: ## Some of them with the sanitizers' builds
	@scripts/test e2e-sanitized

lint: ## Static analysis and format checks
	@scripts/test lint

format: ## Format C and Python sources in place
	@scripts/lint --fix

compdb: compile_commands.json ## Write compile_commands.json for editors and clang-tidy
# Written each time: it is quick, and the list of sources is not a file to depend on.
.PHONY: compile_commands.json
compile_commands.json:
	@scripts/compdb $@ $(CC) $(ALL_CFLAGS) -- $(C_SOURCES)

docs: $(BIN) ## Write the references of settings and metrics from the program's own tables
	@mkdir -p docs && for what in settings metrics; do \
		$(BIN) --help=$$what-markdown > docs/$$what.md.tmp && \
		mv docs/$$what.md.tmp docs/$$what.md || exit 1; done

bench: ## Measure tidemark beside the floor, and its stages alone (bench/README.md)
	@bench/run

bench-flink: ## Measure tidemark beside a Flink job that does the same
	@bench/run flink

clean: ## Remove everything built
	rm -rf build compile_commands.json
