#!/bin/sh
# Builds the core, its unit tests and the fuzz replay for other systems, and runs them here: portability.sh [WHAT...]
#
#     libc++   LLVM's C++ library
#     plain    without what Linux has beyond POSIX: as on macOS and the BSDs (include/mtls_authz/system/system.hpp)
#     arm64    64 bits, little end first          by qemu-user
#     armhf    32 bits, little end first          by qemu-user
#     i386     32 bits, on this processor
#     s390x    64 bits, big end first             by qemu-user
#     httpd    the module's sources, compiled with the headers of another httpd: HTTPD_INCLUDE=folder. On this machine
#
# Compilers and libraries are of Debian: trixie, but bookworm for s390x. Each is in a chroot in $DEBIAN_ROOTS (default
# /var/cache/mtls-authz/portability) that is kept for the next run; nothing is installed on this machine. Root only; 77 where
# no such chroot can be made. One line of the outcome for each: build/portability/summary.
set -eu
cd "$(dirname "$0")/.."

everything="libc++ plain i386 armhf arm64 s390x"
export DEBIAN_ROOTS="${DEBIAN_ROOTS:-/var/cache/mtls-authz/portability}"

suite_of() { case $1 in s390x) echo bookworm ;; *) echo trixie ;; esac; }
foreign() { case $1 in arm64 | armhf | i386 | s390x) return 0 ;; *) return 1 ;; esac; }

# ---- in the chroot: portability.sh --inside WHAT ---------------------------------------------------------------------

prepare() {
    what=$1
    export DEBIAN_FRONTEND=noninteractive
    # Documentation of one package differs between architectures.
    printf 'force-unsafe-io\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\n' >/etc/dpkg/dpkg.cfg.d/portability
    # APR's headers are this processor's: its packages for developers cannot be installed for two. What is used of them is
    # alike everywhere.
    packages="clang nlohmann-json3-dev libcli11-dev libaprutil1-dev"
    libraries="libstdc++6 libssl-dev libcmocka-dev libcurl4-openssl-dev libpcre2-dev libaprutil1-dbd-sqlite3"
    case $what in
        libc++) packages="$packages $libraries libc++-dev libc++abi-dev" ;;
        plain) packages="$packages $libraries g++ libbsd-dev" ;;
        arm64) packages="$packages qemu-user g++-aarch64-linux-gnu" ;;
        armhf) packages="$packages qemu-user g++-arm-linux-gnueabihf" ;;
        i386) packages="$packages g++-i686-linux-gnu" ;;
        s390x) packages="$packages qemu-user g++-s390x-linux-gnu" ;;
    esac
    if foreign "$what"; then
        dpkg --add-architecture "$what"
        for library in $libraries; do packages="$packages $library:$what"; done
    fi
    # shellcheck disable=SC2086
    dpkg-query -W $packages >/dev/null 2>&1 && return
    apt-get update -q
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $packages
}

inside() {
    what=$1
    folder=build/portability/$what
    prepare "$what"
    cxx=clang++
    crypto='-lcrypto -l:libaprutil-1.so.0 -l:libapr-1.so.0'
    run=
    assertions=-D_GLIBCXX_ASSERTIONS
    # An image reserves 4 GiB of addresses while it is written, and qemu keeps a record of each page that ever was.
    reserved='-R 0x400000000'
    case $what in
        libc++)
            cxx='clang++ -stdlib=libc++'
            assertions=-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE
            ;;
        # Of getpeereid(), which Linux lacks, libbsd has one.
        plain)
            cxx='clang++ -DMTLS_AUTHZ_PLAIN_POSIX -include bsd/unistd.h'
            crypto="$crypto -lbsd"
            ;;
        arm64)
            cxx='clang++ --target=aarch64-linux-gnu'
            run="qemu-aarch64 $reserved"
            ;;
        armhf)
            # Debian's libraries take a time_t of 64 bits there, which its gcc knows and clang does not.
            cxx='clang++ --target=arm-linux-gnueabihf -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64'
            run='qemu-arm'
            ;;
        i386) cxx='clang++ --target=i686-linux-gnu' ;;
        s390x)
            cxx='clang++ --target=s390x-linux-gnu'
            run="qemu-s390x $reserved"
            ;;
    esac
    make -j"$(nproc)" BUILD="$folder" CXX="$cxx" SAN_CXX="$cxx" SANITIZE="$assertions" CRYPTO="$crypto" LTO= \
        APR_FLAGS='-isystem /usr/include/apr-1.0 -D_REENTRANT -D_GNU_SOURCE -DLINUX' \
        "$folder/unit_tests" "$folder/fuzz_replay"
    $run "$folder/fuzz_replay" tests/fuzz/corpus
    $run "$folder/unit_tests"
}

if [ "${1:-}" = --inside ]; then
    inside "$2"
    exit
fi

# ---- outside ---------------------------------------------------------------------------------------------------------

# Headers as `make install` of httpd lays them into one folder; APR's are this machine's.
compile_module() {
    [ -e "${HTTPD_INCLUDE:?a folder with headers of httpd}/httpd.h" ] || return 2
    failed=0
    for file in src/httpd/*/*.cpp mod_mtls_authz.cpp; do
        echo "$file"
        clang++ -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Wshadow -Werror -Isrc -Iinclude -isystem "$HTTPD_INCLUDE" \
            -isystem "$(apxs -q APR_INCLUDEDIR)" -D_GNU_SOURCE -D_REENTRANT "$file" || failed=1
    done
    grep -E '^#define MODULE_MAGIC_NUMBER_M' "$HTTPD_INCLUDE/ap_mmn.h"
    return $failed
}

mkdir -p build/portability
failed=
for what in ${*:-$everything}; do
    suite=$(suite_of "$what")
    log=build/portability/$what.log
    status=0
    if [ "$what" = httpd ]; then
        suite=here
        (compile_module) >"$log" 2>&1 || status=$?
    else
        nice -n 10 tools/in-debian.sh "$suite" tools/portability.sh --inside "$what" >"$log" 2>&1 || status=$?
    fi
    [ $status = 77 ] && cat "$log" && exit 77
    outcome=$(grep -hE '^\[  (PASSED|FAILED)  \] [0-9]+ test|[0-9]+ inputs replayed' "$log" | tr '\n' ' ')
    printf '%s %-7s %-9s exit %s  %s\n' "$(date -u +%F)" "$what" "$suite" "$status" "$outcome" | tee -a build/portability/summary
    [ $status = 0 ] || failed="$failed $what"
done
[ -z "$failed" ] || { echo "portability.sh: failed:$failed (see build/portability/*.log)" >&2 && exit 1; }
