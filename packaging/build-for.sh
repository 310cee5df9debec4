#!/bin/sh
# Builds Debian packages of a suite from a tarball of dist.sh: build-for.sh TARBALL SUITE FOLDER. On this machine where it
# is of that suite, else in a chroot (root only; 77 where none can be made).
set -eu

tarball=${1:?usage: build-for.sh TARBALL SUITE FOLDER}
suite=${2:?usage: build-for.sh TARBALL SUITE FOLDER}
folder=${3:?usage: build-for.sh TARBALL SUITE FOLDER}
cd "$(dirname "$0")/.."

if [ "$(. /etc/os-release && echo "$VERSION_CODENAME")" = "$suite" ]; then
    packaging/deb.sh "$tarball" "$folder"
else
    tools/in-debian.sh "$suite" env DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-}" DEB_CXXFLAGS_APPEND="${DEB_CXXFLAGS_APPEND:-}" \
        sh -ec 'tools/setup.sh deb; packaging/deb.sh "$@"' sh "$tarball" "$folder"
fi
