#!/bin/sh
# Runs the demo and the tests against httpd with the packages of another Debian, in a chroot of it that is kept:
# test-debian.sh TARBALL SUITE PROGRAMS JOBS [PACKAGES]. PROGRAMS: a folder with `demo` and `httpd_tests`, built on this
# machine; they run there if SUITE is not older. PACKAGES: a folder with packages of SUITE; without it they are built.
# With PART=I/N in the environment, of the tests against httpd the I-th of N parts runs, and what no older Debian can run.
# Root only; 77 where no such Debian can be made here.
set -eu

usage='usage: test-debian.sh TARBALL SUITE PROGRAMS JOBS [PACKAGES]'
tarball=${1:?$usage} suite=${2:?$usage} programs=${3:?$usage} jobs=${4:?$usage}
packages=${5:-$programs/$suite}
cd "$(dirname "$0")/.."

[ -n "${5:-}" ] || packaging/build-for.sh "$tarball" "$suite" "$packages"
# The tests look for the tool beside the module.
shipped=$packages/shipped
rm -rf "$shipped"
for package in "$packages"/*mtls-authz_*.deb; do dpkg-deb --extract "$package" "$shipped"; done
ln -f "$shipped/usr/lib/apache2/modules/mod_mtls_authz.so" "$shipped/usr/bin/mtls-authz" "$shipped"

# Left out: what counts instructions, what needs the module with TSan, and what needs module and tests of one compiler.
exec tools/in-debian.sh "$suite" sh -ec '
    tools/setup.sh test
    "$1/demo" "$2/mod_mtls_authz.so" "$2/mtls-authz"
    "$1/httpd_tests" --jobs "$3" "$2/mod_mtls_authz.so" $4 -instructions -reloads_under_load -another_build -peers_get' sh "$programs" "/src/$shipped" "$jobs" \
    "${PART:+@$PART post_quantum}"
