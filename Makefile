# mailtailor: GNU Make. `make` builds, `make demo` shows, `make check` proves.
#
#   make CC=clang            another compiler
#   make BUILD=build/x …     another output directory
#   make check TESTS="a b"   only these unit tests (names without test-)
#   CORPUS=DIR               third-party corpora for the corpus tests (absent: skipped, and said)

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

PREFIX    ?= /usr/local
DESTDIR   ?=
BUILD     ?= build
CORPUS    ?= ../shared/data
export CORPUS

VERSION := 0.1.0
PKGS    := gmime-3.0 glib-2.0 libconfuse jansson libcrypto libidn2 libutf8proc libsystemd smartcols

# Queried lazily, so that `make demo` on a bare machine can install them first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

CC       ?= gcc
OPT      ?= -O2 -g
SAN      ?=
WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wno-sign-conversion -Werror
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIC
CPPFLAGS_ALL = -D_GNU_SOURCE -Isrc -Iinclude -DMT_VERSION='"$(VERSION)"' -DMT_PREFIX='"$(PREFIX)"' $(CPPFLAGS)
CFLAGS_ALL   = -std=c11 $(OPT) $(WARN) $(if $(SAN),-fPIC,$(HARDEN)) $(SAN) $(subst -I,-isystem ,$(PKG_CFLAGS)) $(CFLAGS)
LDFLAGS_ALL  = $(SAN) -rdynamic $(LDFLAGS)
LIBS         = $(PKG_LIBS) -lmilter -llmdb -lopenblas -lpthread -ldl -lm

# ---- what is built ----
LIB_DIRS := base conf mail template html token store score plugin tailor recipient engine milter
LIB_SRC  := $(foreach d,$(LIB_DIRS),$(wildcard src/$(d)/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
LIB      := $(BUILD)/libmailtailor.a

DAEMON_SRC := $(wildcard src/main/daemon*.c)
ADMIN_SRC  := $(wildcard src/main/admin*.c)
COMMON_SRC := $(filter-out $(DAEMON_SRC) $(ADMIN_SRC),$(wildcard src/main/*.c))
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/obj/%.o)
ADMIN_OBJ  := $(ADMIN_SRC:%.c=$(BUILD)/obj/%.o)
COMMON_OBJ := $(COMMON_SRC:%.c=$(BUILD)/obj/%.o)
PROGRAMS   := $(BUILD)/bin/mailtailord $(BUILD)/bin/mailtailor

PLUGIN_NAMES := $(notdir $(wildcard plugins/*))
PLUGINS      := $(PLUGIN_NAMES:%=$(BUILD)/plugins/%.so)

UNIT_SRC  := $(wildcard tests/unit/test-*.c)
UNIT_BIN  := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
TEST_PLUGINS := $(patsubst tests/unit/plugins/%.c,$(BUILD)/tests/plugins/%.so,$(wildcard tests/unit/plugins/*.c))
TOOL_SRC  := $(wildcard tests/golden/*.c)
TOOL_BIN  := $(TOOL_SRC:tests/golden/%.c=$(BUILD)/tests/%)
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz-*.c)

.PHONY: all deps
all: $(PROGRAMS) $(PLUGINS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/bin/mailtailord: $(DAEMON_OBJ) $(COMMON_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/bin/mailtailor: $(ADMIN_OBJ) $(COMMON_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# A plugin is one file and the public header; it links what its own line says.
PLUGIN_LIBS_logistic = -lopenblas -lm
PLUGIN_LIBS_content  = $(PKG_LIBS)
define plugin_rule
$(BUILD)/plugins/$(1).so: plugins/$(1)/$(1).c include/mailtailor_plugin.h
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) -shared -o $$@ $$< $$(PLUGIN_LIBS_$(1))
endef
$(foreach p,$(PLUGIN_NAMES),$(eval $(call plugin_rule,$(p))))

# ---- tests ----
$(BUILD)/tests/test-%: tests/unit/test-%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests/unit $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) -lcmocka $(LIBS)

$(BUILD)/tests/%: tests/golden/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(LIB) $(LIBS)

$(BUILD)/tests/plugins/%.so: tests/unit/plugins/%.c include/mailtailor_plugin.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -shared -o $@ $<

.PHONY: test-programs
test-programs: all $(UNIT_BIN) $(TEST_PLUGINS) $(TOOL_BIN)

-include $(shell find $(BUILD)/obj $(BUILD)/tests -name '*.d' 2>/dev/null)
