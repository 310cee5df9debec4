# mod_mtls_authz. `make help` says what there is.

BUILD    ?= build
CXX      ?= g++
APXS     ?= $(firstword $(foreach name,apxs apxs2,$(shell command -v $(name) 2>/dev/null)))
DESTDIR  ?=
PREFIX   ?= /usr/local
INSTALL  ?= install
# What `mtls-authz --version` and the packages say; a release changes it, and CHANGELOG.md with it.
VERSION  := $(shell cat VERSION)

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow $(WERROR)
# CXXFLAGS, CPPFLAGS and LDFLAGS of the environment come after the flags that the code needs.
CXXFLAGS ?= -O2 -g
STANDARD := -std=c++20 -fPIC -fvisibility=hidden $(WARNINGS)
# Calls out of the module go straight to their functions: they are bound when it is loaded anyway.
STANDARD += -fno-plt
# Lets httpd really unload the module at a restart; clang has no such switch and needs none.
STANDARD += $(if $(findstring clang,$(CXX)),,-fno-gnu-unique)
CLANG_STANDARD = $(filter-out -fno-gnu-unique,$(STANDARD))
# What a request costs is spread over many folders: these are optimized as a whole.
LTO_FOLDERS := base certificate trust rules policy decide keeper ledger httpd/config httpd/tls httpd/decide httpd/tell httpd/request httpd/keeper
LTO      := $(if $(findstring clang,$(CXX)),,-flto=auto -ffat-lto-objects)
# Of objects that the module alone is made of, nobody needs machine code before it is linked.
LTO_ONLY  = $(LTO:-ffat-lto-objects=)
INCLUDES := -Iinclude
TOOL_DEFINES := -DMTLS_AUTHZ_VERSION=\"$(VERSION)\"
# All but src/httpd and the module record: it knows nothing of httpd. Each folder uses those before it.
CORE_FOLDERS := system base certificate trust rules policy decide load keeper ledger tell
CORE_SRC     := $(wildcard $(CORE_FOLDERS:%=src/%/*.cpp))
# What is shared between processes is read by code of the same sources alone.
SHARED_FILES := $(sort $(wildcard include/mtls_authz/*/*.hpp) $(CORE_SRC))
SOURCES_ID   := $(firstword $(shell cat $(SHARED_FILES) | { sha256sum || shasum -a 256; } 2>/dev/null))
CORE_DEFINES := -DMTLS_AUTHZ_SOURCES=\"$(SOURCES_ID)\"

apxs_query  = $(shell $(APXS) -q $(1) 2>/dev/null)
# Sets the variable $(1) to $(2) when it is used first: apxs is a slow script, and each object would run it again.
once        = $(eval $(1) := $(2))$($(1))
HTTPD_FLAGS = $(call once,HTTPD_FLAGS,-Isrc -isystem $(call apxs_query,INCLUDEDIR) $(APR_FLAGS))
MODULE_DIR  = $(call apxs_query,LIBEXECDIR)
# APR is for a policy's database, and hashes of passwords; httpd has it in any case.
APR_FLAGS   = $(call once,APR_FLAGS,-isystem $(call apxs_query,APR_INCLUDEDIR) $(filter -D%,$(call apxs_query,EXTRA_CPPFLAGS)))
APR_LIBS    = $(call once,APR_LIBS,$(shell $(call apxs_query,APU_CONFIG) --link-ld) $(shell $(call apxs_query,APR_CONFIG) --link-ld))
CRYPTO      = -lcrypto $(APR_LIBS)

HTTPD_SRC   := $(wildcard src/httpd/*/*.cpp) mod_mtls_authz.cpp
TOOL_SRC    := $(wildcard tools/mtls-authz/*.cpp tools/mtls-authz/*/*.cpp)
TIDY_SRC    := $(CORE_SRC) $(HTTPD_SRC) $(TOOL_SRC)
SUPPORT_SRC := $(wildcard tests/support/*.cpp)
UNIT_SRC    := $(wildcard tests/unit/*.cpp)
E2E_SRC     := $(wildcard tests/httpd/*.cpp)
ALL_CXX     := $(TIDY_SRC) $(wildcard tests/tool/*.cpp) $(SUPPORT_SRC) $(UNIT_SRC) $(E2E_SRC) $(wildcard tests/fuzz/*.cpp tests/demo/*.cpp tests/demo/*/*.cpp tests/soak/*.cpp tests/threads/*.cpp tests/answers/*.cpp tests/revocation/*.cpp bench/*.cpp)
# What `make test` compiles with clang, beside what ships.
CLANG_SRC    := $(UNIT_SRC) $(E2E_SRC) $(SUPPORT_SRC) $(wildcard tests/tool/*.cpp tests/fuzz/*.cpp)
ALL_HEADERS := $(wildcard include/mtls_authz/*/*.hpp src/httpd/*/*.hpp tools/mtls-authz/*.hpp tools/mtls-authz/*/*.hpp tests/unit/*.hpp tests/tool/*.hpp tests/httpd/*.hpp tests/support/*.hpp tests/fuzz/*.hpp tests/answers/*.hpp tests/revocation/*.hpp bench/*.hpp)

MODULE      := $(BUILD)/mod_mtls_authz.so
TOOL        := $(BUILD)/mtls-authz
TSAN_MODULE := $(BUILD)/tsan/mod_mtls_authz.so
SAN_MODULE  := $(BUILD)/san/mod_mtls_authz.so
CORE        := $(BUILD)/libmtls_authz.a
# Tests against httpd mostly wait: three for each processor.
JOBS        ?= $(shell echo $$((3 * $$(nproc))))
# clang compiles the tests and what runs with ASan and UBSan: as a second compiler, and in half of gcc's time.
TEST_CXX    ?= clang++
SAN_CXX     ?= clang++
SANITIZE    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS
SAN_RUNTIME  = $(shell $(SAN_CXX) -print-runtime-dir) $(dir $(shell $(SAN_CXX) -print-file-name=libclang_rt.asan-$(shell uname -m).so))
# char is unsigned there, as on arm64, and signed in what else runs here.
SAN_COMPILE  = $(SAN_CXX) $(CLANG_STANDARD) -O0 -g1 -funsigned-char $(SANITIZE)

.PHONY: all demo demo-fleet setup-demo-fleet test unit mutants threads answers revocations tool-test httpd-test httpd-test-san httpd-test-plain fuzz-replay fuzz soak lint format install clean help bench test-debian setup-build setup-demo setup-test setup-lint setup-bench setup-deb setup-install setup-hardening setup-rpm dist deb test-deb test-install test-hardening portability rpm
.DEFAULT_GOAL := all

all: setup-build  ## builds build/mod_mtls_authz.so and build/mtls-authz
	@$(MAKE) --no-print-directory $(MODULE) $(TOOL)

demo: setup-demo  ## makes a demo PKI, starts httpd on 127.0.0.1, tells the story, stops it (KEEP=1 leaves it running)
	@$(MAKE) --no-print-directory $(MODULE) $(TOOL) $(BUILD)/demo
	@$(BUILD)/demo $(abspath $(MODULE)) $(abspath $(TOOL))

demo-fleet: setup-demo-fleet  ## one policy in PostgreSQL for two servers behind HAProxy: a partner comes, and is revoked everywhere while connected
	@$(MAKE) --no-print-directory $(MODULE) $(TOOL) $(BUILD)/demo_fleet
	@$(BUILD)/demo_fleet $(abspath $(MODULE)) $(abspath $(TOOL))

test: setup-test  ## unit tests under ASan and UBSan, threads under TSan, fuzz corpus replay, tests against a real httpd with ASan and UBSan inside it, those of time and memory without
	@$(MAKE) --no-print-directory unit threads answers revocations fuzz-replay tool-test httpd-test-san httpd-test-plain

unit: $(BUILD)/unit_tests
	ASAN_OPTIONS=detect_leaks=1 $(BUILD)/unit_tests

threads: $(BUILD)/thread_tests
	TSAN_OPTIONS=halt_on_error=1 $(BUILD)/thread_tests

answers: $(BUILD)/same_answers
	$(BUILD)/same_answers $(or $(PAIRS),100000)

revocations: $(BUILD)/same_revocations
	$(BUILD)/same_revocations $(or $(CASES),5000)

# The other objects are those of the answers, and the unit tests without sanitizers.
mutants: setup-test  ## takes out each check of tests/mutants/*.txt, one at a time: a test fails for each (SAMPLE=10: ten of them; ONLY=word: some)
	@$(MAKE) --no-print-directory $(BUILD)/mutants/unit_tests $(BUILD)/same_answers $(BUILD)/same_revocations
	@tests/mutants/run.py --build $(BUILD) --compile '$(CXX) $(STANDARD) $(INCLUDES) $(APR_FLAGS) $(CORE_DEFINES) -O0 -w' --link '$(TEST_LINK)' \
	  --libraries '-lcmocka -lcurl -lssl $(CRYPTO)' --jobs $(or $(MUTANT_JOBS),$(shell nproc)) $(if $(SAMPLE),--sample $(SAMPLE)) $(ONLY)

fuzz-replay: $(BUILD)/fuzz_replay
	$(BUILD)/fuzz_replay tests/fuzz/corpus

httpd-test: $(MODULE) $(TOOL) $(TSAN_MODULE) $(BUILD)/httpd_tests
	$(BUILD)/httpd_tests --jobs $(JOBS) $(abspath $(MODULE)) $(TESTS)

# The same suite with ASan and UBSan in the module, without the claims that are marked Module::kPlain.
httpd-test-san: $(SAN_MODULE) $(TOOL) $(BUILD)/httpd_tests
	$(BUILD)/httpd_tests --jobs $(JOBS) $(abspath $(SAN_MODULE)) $(TESTS)

# Those claims, with the module that ships.
httpd-test-plain: $(MODULE) $(TOOL) $(TSAN_MODULE) $(BUILD)/httpd_tests
	$(BUILD)/httpd_tests --jobs $(JOBS) --plain $(abspath $(MODULE)) $(TESTS)

soak: setup-test  ## 20 minutes of random edits, restarts and deaths against a model (MINUTES=n), then the race tests with 10,000 reloads (RELOADS=n)
	@$(MAKE) --no-print-directory $(MODULE) $(BUILD)/soak
	$(BUILD)/soak $(abspath $(MODULE)) $(or $(MINUTES),20)
	@RELOADS=$(or $(RELOADS),10000) $(MAKE) --no-print-directory threads
	@RELOADS=$(or $(RELOADS),10000) $(MAKE) --no-print-directory httpd-test TESTS=reloads_under_load

tool-test: $(TOOL) $(MODULE) $(BUILD)/tool_tests
	$(BUILD)/tool_tests --jobs $(JOBS) $(TOOL)

# Another release has other versions of httpd and OpenSSL.
SUITE       ?= trixie
test-debian: setup-test dist  ## the demo and the tests against httpd with the packages of another Debian, no older than this one, in a chroot that is kept (SUITE=trixie, PACKAGES=folder with built ones; root only)
	@$(MAKE) --no-print-directory $(BUILD)/demo $(BUILD)/httpd_tests
	packaging/test-debian.sh $(DIST) $(SUITE) $(BUILD) $(JOBS) $(PACKAGES)

fuzz: setup-lint  ## 10,000,000 random pairs by the plain rules and 100,000 chains with lists by OpenSSL, then fuzzes what reads foreign bytes, 60 seconds a target (FUZZ_SECONDS=n)
	@$(MAKE) --no-print-directory answers PAIRS=$(or $(PAIRS),10000000)
	@$(MAKE) --no-print-directory revocations CASES=$(or $(CASES),100000)
	@$(MAKE) --no-print-directory $(BUILD)/fuzz_replay && $(BUILD)/fuzz_replay tests/fuzz/corpus $(BUILD)/corpus
	@for target in facts policy selector session crl path telling bundle front capture gate identify; do \
	  $(MAKE) --no-print-directory $(BUILD)/fuzz_$$target && mkdir -p $(BUILD)/corpus/$$target && \
	  $(BUILD)/fuzz_$$target -max_total_time=$(or $(FUZZ_SECONDS),60) -print_final_stats=1 -artifact_prefix=$(BUILD)/ \
	    $(BUILD)/corpus/$$target tests/fuzz/corpus/$$target || exit 1; done

bench: setup-bench  ## what the module costs beside httpd's own rules, nginx and HAProxy: some 6 minutes (QUICK=1: fewer identities; ONLY=requests: a part)
	@$(MAKE) --no-print-directory $(MODULE) $(TOOL) $(BUILD)/bench $(BUILD)/bench_decide
	$(BUILD)/bench $(abspath $(MODULE)) $(abspath $(TOOL)) $(BUILD)/bench.json $(if $(QUICK),quick) $(ONLY)
	$(BUILD)/bench_decide --benchmark_out=$(BUILD)/bench-decide.json --benchmark_out_format=json

# clang-tidy says what clang warns of, too: clang need not compile what it reads. It reads a folder as one file, and tells places
# in build/united: the #line above such a place names the source. Of one function its analyzer looks at 20,000 states at most:
# its default of 225,000 takes five times as long for src/trust. With WERROR=-Werror in the environment, as where a change
# has to pass, the analyzer looks at 5,000, and `make` has compiled with gcc what ships, and with clang what is tested. A folder
# that was found clean on this machine is not read again before it changes (tools/clang-tidy.sh).
lint: setup-lint  ## clang-format, clang-tidy, the version and its entry in CHANGELOG.md, and warnings as errors with gcc and clang
	packaging/check-version.sh
	clang-format --dry-run -Werror $(ALL_CXX) $(ALL_HEADERS)
	$(if $(WERROR),,@$(MAKE) --no-print-directory BUILD=$(BUILD)/lint-gcc LTO= CXX=g++ WERROR=-Werror compile-all)
	@$(MAKE) --no-print-directory $(LINT_PCH) $(UNITED)
	@printf '%s\n' $(filter-out $(TIDY_SRC) $(if $(WERROR),$(CLANG_SRC)),$(ALL_CXX)) | xargs -P $(shell nproc) -n 3 clang++ -fsyntax-only -include $(LINT_PCH:.gch=) \
	    $(CLANG_STANDARD) -Werror $(INCLUDES) -Itests/support -Itools/mtls-authz
	@printf '%s\n' $(UNITED) mod_mtls_authz.cpp | sort -r | xargs -P $(shell nproc) -n 1 sh -c 'folder=$${0#$(BUILD)/united/} && tools/clang-tidy.sh $$0 $(CLANG_STANDARD) -iquote $${folder%.cpp} $(INCLUDES) $(HTTPD_FLAGS) $(TOOL_DEFINES) $(CORE_DEFINES) -Xclang -analyzer-config -Xclang max-nodes=$(if $(WERROR),5000,20000)'

format:  ## lets clang-format settle the layout
	clang-format -i $(ALL_CXX) $(ALL_HEADERS)

install: all  ## installs the module, its .load file where httpd keeps such, and the tool, stripped (DESTDIR, PREFIX honoured; packages do better: make deb)
	$(INSTALL) -d $(DESTDIR)$(MODULE_DIR) $(DESTDIR)$(call apxs_query,SYSCONFDIR)
	$(INSTALL) -s -m 644 $(MODULE) $(DESTDIR)$(MODULE_DIR)/
	if [ -d $(DESTDIR)$(call apxs_query,SYSCONFDIR)/mods-available ]; then \
	  sed 's|modules/|$(MODULE_DIR)/|' conf/mtls_authz.load \
	    > $(DESTDIR)$(call apxs_query,SYSCONFDIR)/mods-available/mtls_authz.load; fi
	$(INSTALL) -D -s -m 755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/mtls-authz
	$(INSTALL) -D -m 644 docs/mtls-authz.1 $(DESTDIR)$(PREFIX)/share/man/man1/mtls-authz.1
	$(TOOL) manual | while read -r name; do \
	  $(TOOL) manual "$$name" > $(DESTDIR)$(PREFIX)/share/man/man1/mtls-authz-"$$name".1 || exit 1; done
	$(INSTALL) -D -m 644 tools/mtls-authz/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mtls-authz

DIST := $(BUILD)/mod_mtls_authz-$(VERSION).tar.gz
dist:  ## packs the sources as build/mod_mtls_authz-VERSION.tar.gz: the same sources, the same bytes
	packaging/check-version.sh
	packaging/dist.sh $(DIST)

deb: setup-deb dist  ## builds packages for the Debian of this machine in build/deb, and looks at them with lintian
	packaging/deb.sh $(DIST) $(BUILD)/deb

test-deb: deb  ## builds the packages once more, in another folder: the same bytes
	packaging/deb.sh $(DIST) $(BUILD)/deb-again/elsewhere
	for package in $(BUILD)/deb/*.deb; do cmp $$package $(BUILD)/deb-again/elsewhere/$${package##*/} || exit 1; done

rpm: setup-rpm dist  ## builds RPM packages in build/rpm (on Debian only to see that the spec file holds), and looks at them with rpmlint
	packaging/rpm.sh $(DIST) $(BUILD)/rpm

test-install: setup-install dist  ## the packages in a fresh Debian: a first hour, upgrades below a running server, purge (SUITE=trixie, PACKAGES=folder with built ones; root only)
	packaging/test-install.sh $(DIST) $(SUITE) $(PACKAGES)

test-hardening: setup-hardening dist  ## the packages under packaging/systemd/hardening.conf, in a Debian that systemd-nspawn boots (SUITE=bookworm, PACKAGES=folder with built ones; root only)
	packaging/test-hardening.sh $(DIST) $(SUITE) $(PACKAGES)

portability:  ## the core and its tests for other processors, C++ libraries and systems, in chroots that are kept (WHAT="s390x plain"; root only)
	tools/portability.sh $(WHAT)

clean:  ## removes build/
	rm -rf $(BUILD)

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup-build setup-demo setup-demo-fleet setup-test setup-lint setup-bench setup-deb setup-install setup-hardening setup-rpm:
	@tools/setup.sh $(@:setup-%=%)

# ---- objects ----------------------------------------------------------------------------------------------------

objects = $(patsubst %.cpp,$(BUILD)/$(1)/%.o,$(2))

# What ships is compiled a folder at a time: headers take most of the time, and are read once for all of its files.
folders_of = $(sort $(patsubst %/,%,$(dir $(filter-out mod_mtls_authz.cpp,$(1)))))
united     = $(patsubst %,$(BUILD)/$(1)/%.o,$(call folders_of,$(2)) $(basename $(filter mod_mtls_authz.cpp,$(2))))
UNITED    := $(patsubst %,$(BUILD)/united/%.cpp,$(call folders_of,$(TIDY_SRC)))
# Headers beside a file are found as from its folder.
UNITE      = -iquote $*
# gcc takes a named file for a header, in which a type of an unnamed namespace would be a mistake.
NO_HEADER := $(if $(findstring clang,$(CXX)),,-Wno-subobject-linkage)

CORE_OBJ     := $(call united,plain,$(CORE_SRC))
HTTPD_OBJ    := $(call united,plain,$(HTTPD_SRC))
TOOL_OBJ     := $(call united,plain,$(TOOL_SRC))
HTTPD_SAN    := $(call united,san,$(HTTPD_SRC))
CORE_SAN     := $(call united,san,$(CORE_SRC))
HTTPD_TSAN   := $(call united,tsan,$(HTTPD_SRC))
CORE_TSAN    := $(call united,tsan,$(CORE_SRC))
SUPPORT_OBJ  := $(call objects,plain,$(SUPPORT_SRC))
SUPPORT_SAN  := $(call objects,san,$(SUPPORT_SRC))
UNIT_SAN     := $(call objects,san,$(UNIT_SRC))
E2E_OBJ      := $(call objects,plain,$(E2E_SRC))

# The rings, proved: only src/httpd and the module record ever see httpd's headers.
$(HTTPD_OBJ): EXTRA = $(HTTPD_FLAGS)
$(LTO_FOLDERS:%=$(BUILD)/plain/src/%.o): OPTIMIZE = $(if $(findstring /httpd/,$@),$(LTO_ONLY),$(LTO))
$(foreach kind,plain san tsan,$(BUILD)/$(kind)/src/load.o): EXTRA = $(APR_FLAGS)
$(foreach kind,plain san tsan,$(BUILD)/$(kind)/src/policy.o): EXTRA = $(CORE_DEFINES)
$(foreach kind,plain san tsan,$(BUILD)/$(kind)/src/policy.o): $(SHARED_FILES)
$(BUILD)/plain/tools/mtls-authz/import.o: EXTRA = $(APR_FLAGS)
# What takes the tool's time lies in the core.
$(TOOL_OBJ): CXXFLAGS := $(CXXFLAGS:-O2=-O1)
$(BUILD)/plain/tools/mtls-authz.o: EXTRA = $(TOOL_DEFINES)
$(BUILD)/plain/tools/mtls-authz.o: VERSION
$(BUILD)/san/src/httpd/%.o $(BUILD)/san/mod_mtls_authz.o: EXTRA = $(HTTPD_FLAGS)
$(BUILD)/plain/tests/%.o $(BUILD)/san/tests/%.o: EXTRA = -Itests/support

# Of what does not ship, the headers of libraries are compiled once: half of the time. clang reads all without in `lint`.
LIBRARIES    := libraries.hpp
SUPPORT_PCH  := $(BUILD)/support/$(LIBRARIES).gch
TEST_PCH     := $(BUILD)/tests/$(LIBRARIES).gch
SAN_PCH      := $(BUILD)/san/$(LIBRARIES).gch
TSAN_PCH     := $(BUILD)/tsan/$(LIBRARIES).gch
LINT_PCH     := $(BUILD)/lint/$(LIBRARIES).gch
# Without warnings: gcc's are often false with -fsanitize=thread, and the other builds compile the same sources with them.
TSAN_COMPILE = $(CXX) $(STANDARD) -w -O1 -g1 -fsanitize=thread
# Optimizing these takes longer than it saves. gcc compiles tests/support: the demo uses it, and needs no clang.
TEST_FOLDERS := httpd tool unit soak
IN_TESTS     := $(TEST_FOLDERS:%=$(BUILD)/plain/tests/%/%.o)
IN_SUPPORT   := $(BUILD)/plain/tests/support/%.o
$(IN_TESTS): PCH = -include $(TEST_PCH:.gch=)
$(IN_SUPPORT): PCH = -include $(SUPPORT_PCH:.gch=)
$(IN_TESTS) $(IN_SUPPORT) $(TEST_PCH) $(SUPPORT_PCH): CXXFLAGS := -O0 -g1
$(IN_TESTS) $(TEST_PCH): CXX := $(TEST_CXX)
$(IN_TESTS) $(TEST_PCH): STANDARD := $(CLANG_STANDARD)
$(call objects,plain,$(wildcard $(TEST_FOLDERS:%=tests/%/*.cpp))): | $(TEST_PCH)
$(SUPPORT_OBJ): | $(SUPPORT_PCH)
$(HTTPD_SAN) $(CORE_SAN) $(SUPPORT_SAN) $(UNIT_SAN) $(call objects,san,$(wildcard tests/fuzz/*.cpp)): | $(SAN_PCH)
$(HTTPD_TSAN) $(CORE_TSAN) $(call objects,tsan,$(SUPPORT_SRC) $(wildcard tests/threads/*.cpp)): | $(TSAN_PCH)
# Objects of the core also contain machine code, which links faster. Only programs that are measured need LTO.
TEST_LINK    := $(CXX) -fno-lto

# Compiles the copy of the headers beside its outcome, with the given command.
define precompile
@mkdir -p $(@D) && cp $< $(@:.gch=)
$(1) $(if $(findstring clang,$(1)),-fpch-instantiate-templates) -x c++-header $(@:.gch=) -o $@
endef

$(SUPPORT_PCH) $(TEST_PCH) $(SAN_PCH) $(TSAN_PCH) $(LINT_PCH): tests/support/$(LIBRARIES)
$(SUPPORT_PCH) $(TEST_PCH):
	$(call precompile,$(CXX) $(STANDARD) $(CPPFLAGS) $(CXXFLAGS))
$(SAN_PCH):
	$(call precompile,$(SAN_COMPILE))
$(TSAN_PCH):
	$(call precompile,$(TSAN_COMPILE))
$(LINT_PCH):
	$(call precompile,clang++ $(CLANG_STANDARD))

PLAIN = $(CXX) $(STANDARD) $(INCLUDES) $(EXTRA) $(PCH) $(OPTIMIZE) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP
SAN   = $(SAN_COMPILE) -include $(SAN_PCH:.gch=) $(INCLUDES) $(EXTRA) -MMD -MP
TSAN  = $(TSAN_COMPILE) -include $(TSAN_PCH:.gch=) $(INCLUDES) $(EXTRA) -MMD -MP

$(BUILD)/plain/%.o: %.cpp
	@mkdir -p $(@D)
	$(PLAIN) -c $< -o $@

$(BUILD)/san/%.o: %.cpp
	@mkdir -p $(@D)
	$(SAN) -c $< -o $@

$(BUILD)/tsan/src/httpd/%.o $(BUILD)/tsan/mod_mtls_authz.o: EXTRA = $(HTTPD_FLAGS) -DMTLS_AUTHZ_TURNS_PER_TICK=100 -DMTLS_AUTHZ_PAUSE=1
$(BUILD)/tsan/tests/%.o: EXTRA = -Itests/support

$(BUILD)/tsan/%.o: %.cpp
	@mkdir -p $(@D)
	$(TSAN) -c $< -o $@

# One behind the other; compilers tell each by its name. Written anew where one of them has changed.
$(UNITED): $(BUILD)/united/%.cpp: FORCE
	@mkdir -p $(@D) && for file in $(sort $(wildcard $*/*.cpp)); do printf '#line 1 "%s"\n' $$file; cat $$file; done >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

.PHONY: FORCE
FORCE:

$(CORE_OBJ) $(filter-out %/mod_mtls_authz.o,$(HTTPD_OBJ)) $(TOOL_OBJ): $(BUILD)/plain/%.o: $(BUILD)/united/%.cpp
	@mkdir -p $(@D)
	$(PLAIN) $(UNITE) $(NO_HEADER) -c $< -o $@

$(CORE_SAN) $(filter-out %/mod_mtls_authz.o,$(HTTPD_SAN)): $(BUILD)/san/%.o: $(BUILD)/united/%.cpp
	@mkdir -p $(@D)
	$(SAN) $(UNITE) -c $< -o $@

$(CORE_TSAN) $(filter-out %/mod_mtls_authz.o,$(HTTPD_TSAN)): $(BUILD)/tsan/%.o: $(BUILD)/united/%.cpp
	@mkdir -p $(@D)
	$(TSAN) $(UNITE) -c $< -o $@

$(CORE): $(CORE_OBJ)
	rm -f $@ && ar rcs $@ $^

$(MODULE): $(HTTPD_OBJ) $(CORE) src/httpd/module.map
	$(CXX) $(STANDARD) $(CXXFLAGS) $(LTO) $(LDFLAGS) -shared -Wl,--version-script=src/httpd/module.map -Wl,-z,relro,-z,now \
	    -o $@ $(HTTPD_OBJ) $(CORE) -lssl $(CRYPTO)

$(TOOL): $(TOOL_OBJ) $(CORE)
	$(CXX) $(CXXFLAGS) -fno-lto $(LDFLAGS) -o $@ $^ -lcurl -lpcre2-8 -lssl $(CRYPTO) -lpthread

$(BUILD)/unit_tests: $(UNIT_SAN) $(CORE_SAN) $(SUPPORT_SAN)
	$(SAN_CXX) $(SANITIZE) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO)

# The module for tests that run it inside httpd, which then needs the sanitizers' libraries before all others.
$(SAN_MODULE): $(HTTPD_SAN) $(CORE_SAN) src/httpd/module.map
	$(SAN_CXX) -shared $(SANITIZE) -shared-libsan $(SAN_RUNTIME:%=-Wl,-rpath,%) \
	    -Wl,--version-script=src/httpd/module.map -o $@ $(filter %.o,$^) -lssl $(CRYPTO)

# The module for a test that runs it inside httpd under ThreadSanitizer.
$(TSAN_MODULE): $(HTTPD_TSAN) $(CORE_TSAN) src/httpd/module.map
	$(CXX) -shared -fsanitize=thread -Wl,--version-script=src/httpd/module.map -o $@ $(filter %.o,$^) -lssl $(CRYPTO)

$(BUILD)/thread_tests: $(call objects,tsan,$(wildcard tests/threads/*.cpp) $(SUPPORT_SRC)) $(CORE_TSAN)
	$(CXX) -fsanitize=thread -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO) -lpthread

# The unit tests without sanitizers, of objects of which tests/mutants/run.py exchanges one.
$(BUILD)/mutants/unit_tests: $(call objects,plain,$(UNIT_SRC)) $(SUPPORT_OBJ) $(CORE)
	@mkdir -p $(@D)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO)

$(BUILD)/same_answers: $(call objects,plain,$(wildcard tests/answers/*.cpp)) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO)

$(BUILD)/same_revocations: $(call objects,plain,$(wildcard tests/revocation/*.cpp)) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO)

$(BUILD)/httpd_tests: $(E2E_OBJ) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO) -lpthread

$(BUILD)/plain/tests/tool/%.o: EXTRA = -Itests/support -Itools/mtls-authz

$(BUILD)/tool_tests: $(call objects,plain,$(wildcard tests/tool/*.cpp) tools/mtls-authz/explain/explanation.cpp tools/mtls-authz/terminal.cpp) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO) -lpthread

$(BUILD)/plain/bench/%.o: EXTRA = -Itests/support

$(BUILD)/bench: $(call objects,plain,$(filter-out bench/decide.cpp,$(wildcard bench/*.cpp))) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO) -lpthread

$(BUILD)/bench_decide: $(call objects,plain,bench/decide.cpp) $(SUPPORT_OBJ) $(CORE)
	$(CXX) -o $@ $^ -lbenchmark -lcmocka -lcurl -lssl $(CRYPTO) -lpthread

$(BUILD)/soak: $(call objects,plain,$(wildcard tests/soak/*.cpp)) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO) -lpthread

$(BUILD)/demo: $(call objects,plain,$(wildcard tests/demo/*.cpp)) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO)

$(BUILD)/demo_fleet: $(call objects,plain,$(wildcard tests/demo/fleet/*.cpp)) $(SUPPORT_OBJ) $(CORE)
	$(TEST_LINK) -o $@ $^ -lcmocka -lcurl -lssl $(CRYPTO)

$(BUILD)/fuzz_replay: $(call objects,san,$(wildcard tests/fuzz/*.cpp)) $(CORE_SAN) $(SUPPORT_SAN)
	$(SAN_CXX) $(SANITIZE) -o $@ $^ -lcmocka -lcurl -lpcre2-8 -lssl $(CRYPTO)

$(BUILD)/fuzz_%: $(filter-out tests/fuzz/replay.cpp,$(wildcard tests/fuzz/*.cpp)) $(CORE_SRC)
	clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined $(INCLUDES) $(APR_FLAGS) $(CORE_DEFINES) -Itests/fuzz -DFUZZ_TARGET=$* $^ -o $@ -lpcre2-8 $(CRYPTO)

.PHONY: compile-all
compile-all: $(call objects,plain,$(ALL_CXX))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
