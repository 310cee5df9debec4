#!/bin/sh
# Tries the packages in a fresh Debian, made by debootstrap for this and removed afterwards: test-install.sh TARBALL SUITE
# [PACKAGES]. They are built there where this machine is of another release; PACKAGES is a folder with built ones.
# Root only; 77 where no such Debian can be made here.
set -eu

tarball=${1:?usage: test-install.sh TARBALL SUITE [PACKAGES]}
suite=${2:?usage: test-install.sh TARBALL SUITE [PACKAGES]}
packages=${3:-build/test-install/$suite/packages}
older=build/test-install/$suite/older
cd "$(dirname "$0")/.."

# The same packages under a lower version, with another configuration file: that which is upgraded from.
make_older() {
    rm -rf "$older"
    mkdir -p "$older"
    for package in "$packages"/*mtls-authz_*.deb; do
        dpkg-deb --raw-extract "$package" "$older/tree"
        sed -i 's/^Version: .*/Version: 0.1-1/' "$older/tree/DEBIAN/control"
        conf=$older/tree/etc/apache2/mods-available/mtls_authz.conf
        [ ! -e "$conf" ] || echo '# of 0.1' >>"$conf"
        dpkg-deb --root-owner-group --build "$older/tree" "$older" >/dev/null
        rm -rf "$older/tree"
    done
}

[ -n "${3:-}" ] || packaging/build-for.sh "$tarball" "$suite" "$packages"
make_older
DEBIAN_ROOTS=$(mktemp -d)
export DEBIAN_ROOTS
trap 'rm -rf "$DEBIAN_ROOTS"' EXIT
tools/in-debian.sh "$suite" packaging/first-hour.sh "$packages" "$older"
