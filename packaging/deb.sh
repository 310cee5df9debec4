#!/bin/sh
# Builds Debian packages from a tarball of dist.sh: deb.sh TARBALL FOLDER. They come into FOLDER; the tree that they
# are built in is left there when something is wrong. Version and date are the tarball's, the last part of the version
# this release of Debian's: the packages for Debian 13 replace those for 12 when a machine is upgraded.
set -eu

tarball=$(realpath "${1:?usage: deb.sh TARBALL FOLDER}")
folder=${2:?usage: deb.sh TARBALL FOLDER}

rm -rf "$folder"
mkdir -p "$folder/tree"
tar -C "$folder/tree" --strip-components=1 -xzf "$tarball"
cd "$folder/tree"
cp -R packaging/debian debian

version=$(sed 's/-/~/' VERSION)-1~deb$(. /etc/os-release && echo "$VERSION_ID")
SOURCE_DATE_EPOCH=$(stat -c %Y VERSION)
export SOURCE_DATE_EPOCH
cat >debian/changelog <<END
mod-mtls-authz ($version) unstable; urgency=medium

  * Packaged from mod_mtls_authz $(cat VERSION): changelog.gz has what changed.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -uRd "@$SOURCE_DATE_EPOCH")
END

# Packages are built as Debian builds them, whatever the environment has for other builds. Objects that ccache has of another
# folder have its name in them.
unset BUILD WERROR CXXFLAGS CPPFLAGS LDFLAGS MAKEFLAGS MFLAGS
export CCACHE_DISABLE=1
dpkg-buildpackage --build=binary --no-sign
lintian --fail-on error,warning --display-info ../*.changes
cd ..
rm -rf tree
