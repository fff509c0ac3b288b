# mailtailor: GNU Make. `make` builds, `make demo` shows, `make check` proves.
#
#   make CC=clang            another compiler
#   make BUILD=build/x …     another output directory
#   make check TESTS="a b"   only these unit tests (names without test-)
#   make bench BENCH_ARGS="--json FILE"  (tests/bench/run says what else)
#   make bench-learn BENCH_ARGS="--json FILE"  (tests/bench/learn says what else)
#   make check-crash CRASH_ARGS="--json FILE --seed N"  (tests/crash/run says what else)
#   make check-memory MEMORY_JOBS=N      jobs of one message through a live mailtailord (1,000,000)
#   CORPUS=DIR               third-party corpora for the corpus tests (absent: skipped, and said)

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

PREFIX    ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR   ?=
BUILD     ?= build
# One name for one directory: what is built says by it which headers it came from.
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
CORPUS    ?= ../shared/data
export CORPUS

VERSION := 0.1.0
PKGS    := gmime-3.0 glib-2.0 libconfuse jansson libcrypto libidn2 libutf8proc libsystemd smartcols zlib libzstd libmicrohttpd

# Queried lazily, so that `make demo` on a bare machine can install them first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

CC       ?= gcc
JOBS     ?= $(shell nproc)
# V=1 shows whole commands
Q        := $(if $(V),,@)
say       = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))
OPT      ?= -O2 -g
SAN      ?=
WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wno-sign-conversion -Werror
# What sanitizers put in between keeps gcc from seeing ranges and paths: these two then warn of what cannot be.
SAN_WARN := -Wno-format-truncation -Wno-maybe-uninitialized
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIC
CPPFLAGS_ALL = -D_GNU_SOURCE -Isrc -Iinclude -DMT_VERSION='"$(VERSION)"' -DMT_PREFIX='"$(PREFIX)"' -DMT_SYSCONFDIR='"$(SYSCONFDIR)"' $(CPPFLAGS)
CFLAGS_ALL   = -std=c11 $(OPT) $(WARN) $(if $(SAN),-fPIC $(if $(findstring clang,$(CC)),,$(SAN_WARN)),$(HARDEN)) $(SAN) $(subst -I,-isystem ,$(PKG_CFLAGS)) $(CFLAGS)
LDFLAGS_ALL  = $(SAN) -rdynamic $(LDFLAGS)
LIBS         = $(PKG_LIBS) $(LIBMILTER) -letpan -llmdb -lseccomp -Wl,--as-needed -llapacke -lopenblas -Wl,--no-as-needed -lpthread -ldl -lm $(LIBS_EXTRA)

# libmilter's objects call src/milter/wire.c instead of the system; a distribution without libmilter.a gives the shared
# library, which does without.
LIBMILTER_A := $(filter /%,$(shell $(CC) -print-file-name=libmilter.a))
LIBMILTER    = $(if $(LIBMILTER_A),$(BUILD)/libmilter.a,-lmilter)

# ---- what is built ----
LIB_DIRS := base audit conf mail template html token store score recommend learn plugin tailor recipient engine milter inject web feedback report
LIB_SRC  := $(foreach d,$(LIB_DIRS),$(wildcard src/$(d)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
LIB      := $(BUILD)/libmailtailor.a

DAEMON_SRC := $(wildcard src/main/daemon*.c)
TRACKD_SRC := $(wildcard src/main/trackd*.c)
ADMIN_SRC  := $(wildcard src/main/admin*.c)
COMMON_SRC := $(filter-out $(DAEMON_SRC) $(TRACKD_SRC) $(ADMIN_SRC),$(wildcard src/main/*.c))
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/obj/%.o)
TRACKD_OBJ := $(TRACKD_SRC:%.c=$(BUILD)/obj/%.o)
ADMIN_OBJ  := $(ADMIN_SRC:%.c=$(BUILD)/obj/%.o)
COMMON_OBJ := $(COMMON_SRC:%.c=$(BUILD)/obj/%.o)
PROGRAMS   := $(BUILD)/bin/mailtailord $(BUILD)/bin/mailtailor-trackd $(BUILD)/bin/mailtailor

PLUGIN_NAMES := $(notdir $(wildcard plugins/*))
PLUGINS      := $(PLUGIN_NAMES:%=$(BUILD)/plugins/%.so)

UNIT_SRC  := $(wildcard tests/unit/test-*.c)
UNIT_BIN  := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
TEST_PLUGINS := $(patsubst tests/unit/plugins/%.c,$(BUILD)/tests/plugins/%.so,$(wildcard tests/unit/plugins/*.c))
TOOL_SRC  := $(wildcard tests/golden/*.c tests/integration/*.c)
TOOL_BIN  := $(patsubst %.c,$(BUILD)/tests/%,$(notdir $(TOOL_SRC)))
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz-*.c)

.PHONY: all deps
all: $(PROGRAMS) $(PLUGINS) $(BUILD)/pages

# Programs of a build tree look beside themselves.
$(BUILD)/pages:
	@mkdir -p $(@D)
	$(Q)ln -sfn $(abspath conf/pages) $@

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Products are added in one instruction where the machine has it; strict C11 leaves that off.
$(BUILD)/obj/src/learn/rows.o: CFLAGS += -ffp-contract=fast

# q, not r: two directories may have a file of the same name; a function of the same name would be taken at random.
$(LIB): $(LIB_OBJ) $(filter $(BUILD)/%,$(LIBMILTER))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar qcs $@ $(LIB_OBJ)
	$(Q)twice=$$(nm -g --defined-only $@ 2>/dev/null | awk '$$2 ~ /^[TDRB]$$/ {print $$3}' | sort | uniq -d); \
	[ -z "$$twice" ] || { echo "$@: defined twice: "$$twice >&2; exit 1; }

# What libmilter is to call instead of the system, by the names that compilers use (__read_chk: _FORTIFY_SOURCE). It must
# call these and no others for a connection, since half of a conversation through wire.c is none.
WIRE_CALLS := accept poll read writev close
WIRE_SYMS  := $(foreach c,$(WIRE_CALLS),$(c)=wire_$(c)) __poll_chk=wire_poll_chk __read_chk=wire_read_chk
WIRE_NOT   := accept4 ppoll __ppoll select readv pread recv recvfrom recvmsg __recv send sendto sendmsg
$(BUILD)/libmilter.a: $(LIBMILTER_A) Makefile
	@mkdir -p $(@D)
	$(call say,WIRE,$@)
	$(Q)objcopy $(WIRE_SYMS:%=--redefine-sym %) $(LIBMILTER_A) $@
	$(Q)calls=" $$(nm -u $@ 2>/dev/null | awk '{sub(/_chk$$/, "", $$2); print $$2}' | sort -u | tr '\n' ' ')"; \
	for c in $(WIRE_CALLS:%=wire_%); do [[ $$calls == *" $$c "* ]] || wrong+=" no $${c#wire_}"; done; \
	for c in $(WIRE_NOT); do [[ $$calls == *" $$c "* ]] && wrong+=" $$c"; done; \
	[ -z "$$wrong" ] || { echo "$(LIBMILTER_A) talks to an MTA by other calls than src/milter/wire.c knows:$$wrong. Build with LIBMILTER=-lmilter" >&2; exit 1; }

$(BUILD)/bin/mailtailord: $(DAEMON_OBJ) $(COMMON_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/bin/mailtailor-trackd: $(TRACKD_OBJ) $(COMMON_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/bin/mailtailor: $(ADMIN_OBJ) $(COMMON_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# A plugin is one file and the public header; it links what its own line says. Those that apply models take src/score and
# src/base out of our library, hidden, since the program has them, too; a plugin from elsewhere needs the header alone.
PLUGIN_MODEL = $(LIB) -Wl,--exclude-libs,ALL -ljansson -lcrypto -lutf8proc -lm
PLUGIN_LIBS_logistic = $(PLUGIN_MODEL)
PLUGIN_LIBS_mlp = $(PLUGIN_MODEL)
PLUGIN_LIBS_gbdt = $(PLUGIN_MODEL)
PLUGIN_LIBS_uplift = $(PLUGIN_MODEL)
PLUGIN_LIBS_recommend = $(PLUGIN_MODEL)
$(BUILD)/plugins/logistic.so $(BUILD)/plugins/mlp.so $(BUILD)/plugins/gbdt.so $(BUILD)/plugins/uplift.so $(BUILD)/plugins/recommend.so: $(LIB)
define plugin_rule
$(BUILD)/plugins/$(1).so: plugins/$(1)/$(1).c include/mailtailor_plugin.h
	@mkdir -p $$(@D)
	$$(call say,PLUGIN,$$@)
	$$(Q)$$(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) -shared -o $$@ $$< $$(PLUGIN_LIBS_$(1))
endef
$(foreach p,$(PLUGIN_NAMES),$(eval $(call plugin_rule,$(p))))

# ---- tests ----
$(BUILD)/tests/test-%: tests/unit/test-%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests/unit $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) -lcmocka $(LIBS)

$(BUILD)/tests/%: tests/golden/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LIBS)

$(BUILD)/tests/%: tests/integration/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LIBS)

$(BUILD)/tests/plugins/%.so: tests/unit/plugins/%.c include/mailtailor_plugin.h
	@mkdir -p $(@D)
	$(call say,PLUGIN,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d -shared -o $@ $<

.PHONY: test-programs
test-programs: all $(UNIT_BIN) $(TEST_PLUGINS) $(TOOL_BIN)

# Unit tests find test plugins and programs here.
export MT_BUILD := $(abspath $(BUILD))
TESTS ?= $(patsubst tests/unit/test-%.c,%,$(UNIT_SRC))
UNIT_RUN := $(TESTS:%=$(BUILD)/tests/test-%)
GOLDEN_RUN := $(wildcard tests/golden/*.sh)
# A full recipe line each: integration tests drive a real Postfix and take it in turns.
INTEGRATION_RUN := $(wildcard tests/integration/*.test)

# Never files; but no .PHONY, for make looks for no pattern rule then.
deps-%: FORCE
	@contrib/install-deps $*
.PHONY: FORCE
FORCE:

# One recipe after the packages are there: pkg-config is asked only then.
.PHONY: check check-unit check-asan check-tsan check-tree
check: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) test-programs
	@tests/run -j$(JOBS) -l $(BUILD)/log contrib/check-tree $(UNIT_RUN) $(GOLDEN_RUN) $(INTEGRATION_RUN)

check-unit: test-programs
	@tests/run -j$(JOBS) -l $(BUILD)/log $(UNIT_RUN) $(GOLDEN_RUN)

# kill -9 at 208 random moments, full disks, ports that misbehave: some 20 minutes.
.PHONY: check-crash
check-crash: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/mint
	@tests/crash/run -l $(BUILD)/log $(CRASH_ARGS)

# A million jobs through a live mailtailord, where `make check` has 20,000: a minute or two, 1 GB of disk.
.PHONY: check-memory
check-memory: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/milter-fill
	@MT_MEMORY_JOBS=$(MEMORY_JOBS) tests/integration/memory.test
MEMORY_JOBS ?= 1000000

# The same tests under sanitizers; each has a build directory of its own.
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -fsanitize=thread -fno-omit-frame-pointer
check-asan: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/asan SAN="$(ASAN)" OPT="-O1 -g" test-programs
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN="$(ASAN)" OPT="-O1 -g" run-sanitized
check-tsan: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/tsan SAN="$(TSAN)" OPT="-O1 -g" test-programs
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN="$(TSAN)" OPT="-O1 -g" run-sanitized

.PHONY: run-sanitized
run-sanitized: export ASAN_OPTIONS := detect_leaks=1:abort_on_error=0
run-sanitized: export TSAN_OPTIONS := halt_on_error=1:second_deadlock_stack=1:suppressions=$(CURDIR)/tests/tsan.supp
run-sanitized: export LSAN_OPTIONS := suppressions=$(CURDIR)/tests/lsan.supp
# As what learns does; what OpenBLAS' own threads hand to each other no sanitizer sees.
run-sanitized: export OPENBLAS_NUM_THREADS := 1
run-sanitized:
	@tests/run -j$(JOBS) -l $(BUILD)/log $(UNIT_RUN) $(GOLDEN_RUN) $(INTEGRATION_RUN)

# ---- fuzzing: FUZZ_SECONDS each; findings are kept in build/clang-fuzz/fuzz/NAME/ ----
FUZZ_SECONDS ?= 60
FUZZ_NAMES   := $(FUZZ_SRC:tests/fuzz/fuzz-%.c=%)
FUZZ_FLAGS   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_BIN     := $(FUZZ_NAMES:%=$(BUILD)/fuzz/fuzz-%)
$(BUILD)/fuzz/fuzz-%: tests/fuzz/fuzz-%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fsanitize=fuzzer -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LIBS)

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ_BIN)
fuzz: deps-fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang BUILD=$(BUILD)/clang-fuzz SAN="$(FUZZ_FLAGS)" OPT="-O1 -g" fuzz-programs
	@tests/fuzz/run $(BUILD)/clang-fuzz/fuzz $(FUZZ_SECONDS) $(FUZZ_NAMES)

# ---- demo, benchmarks ----
.PHONY: demo demo-loop bench
demo:
	@contrib/install-deps demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@contrib/demo/run $(abspath $(BUILD))

# What learning brings: simulated customers, ten waves (tests/loop/loop.mjs says what LOOP_ARGS may be).
demo-loop: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@MT_BUILD=$(abspath $(BUILD)) tests/loop/run $(LOOP_ARGS)

bench: deps-bench
	@$(MAKE) --no-print-directory -j$(JOBS) all bench-programs $(BUILD)/tests/mint $(BUILD)/tests/event-lines
	@tests/bench/run $(BENCH_ARGS) $(abspath $(BUILD))

# Learning beside scikit-learn and PyTorch: BENCH_ARGS as tests/bench/learn takes them.
.PHONY: bench-learn
bench-learn: deps-bench-learn
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/bench/bench-learn
	@tests/bench/learn $(BENCH_ARGS) $(abspath $(BUILD))

BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(BENCH_SRC:tests/bench/%.c=$(BUILD)/bench/%)
$(BUILD)/bench/%: tests/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LIBS)
# The yardstick is what everybody's milter links.
$(BUILD)/bench/floor-milter: LIBMILTER := -lmilter
.PHONY: bench-programs
bench-programs: $(BENCH_BIN)

# ---- style ----
C_FILES  = $(shell git ls-files '*.c' '*.h' 2>/dev/null)
.PHONY: lint format
lint: deps-lint
	@contrib/check-tree
	clang-format --dry-run -Werror $(C_FILES)
	shellcheck -x $(shell git ls-files | xargs -r grep -lE '^#!/bin/(ba)?sh' 2>/dev/null)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --std=c11 \
	    --suppress=missingIncludeSystem -Isrc -Iinclude src plugins
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang BUILD=$(BUILD)/clang all
format:
	clang-format -i $(C_FILES)

# ---- install ----
bindir     := $(DESTDIR)$(PREFIX)/bin
sbindir    := $(DESTDIR)$(PREFIX)/sbin
plugindir  := $(DESTDIR)$(PREFIX)/lib/mailtailor/plugins
includedir := $(DESTDIR)$(PREFIX)/include
pagesdir   := $(DESTDIR)$(PREFIX)/share/mailtailor/pages
exampledir := $(DESTDIR)$(PREFIX)/share/mailtailor/campaigns
confdir    := $(DESTDIR)$(SYSCONFDIR)/mailtailor
mandir     := $(DESTDIR)$(PREFIX)/share/man
unitdir    := $(DESTDIR)$(PREFIX)/lib/systemd/system
sysusersdir := $(DESTDIR)$(PREFIX)/lib/sysusers.d
tmpfilesdir := $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
.PHONY: install clean
install: all
	install -d $(bindir) $(sbindir) $(plugindir) $(includedir) $(confdir)/campaigns.d \
	    $(unitdir) $(sysusersdir) $(tmpfilesdir)
	install -m 755 $(BUILD)/bin/mailtailord $(BUILD)/bin/mailtailor-trackd $(sbindir)
	install -m 755 $(BUILD)/bin/mailtailor $(bindir)
	install -m 755 $(PLUGINS) $(plugindir)
	install -m 644 include/mailtailor_plugin.h $(includedir)
	@# an admin's own configuration is never overwritten
	for f in conf/mailtailor.conf conf/campaigns.d/*.conf; do \
	    t=$(confdir)/$${f#conf/}; [ -e "$$t" ] || install -m 644 "$$f" "$$t"; done
	for f in contrib/man/*.[1-8]; do \
	    install -d $(mandir)/man$${f##*.} && install -m 644 "$$f" $(mandir)/man$${f##*.}; done
	for u in mailtailord mailtailor-trackd mailtailor-maillog mailtailor-policy; do \
	    sed 's|@PREFIX@|$(PREFIX)|; /^# make install/d' contrib/systemd/$$u.service >$(unitdir)/$$u.service; \
	    chmod 644 $(unitdir)/$$u.service; done
	cd conf/pages && find . -type f -exec install -D -m 644 {} $(pagesdir)/{} \;
	install -d $(exampledir) && install -m 644 conf/campaigns/* $(exampledir)
	sed 's|/etc/|$(SYSCONFDIR)/|' contrib/systemd/tmpfiles.conf >$(tmpfilesdir)/mailtailor.conf
	install -m 644 contrib/systemd/sysusers.conf $(sysusersdir)/mailtailor.conf
	chmod 644 $(tmpfilesdir)/mailtailor.conf

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj $(BUILD)/tests $(BUILD)/bench -name '*.d' 2>/dev/null)
