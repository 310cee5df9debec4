#!/bin/sh
# Builds RPM packages from a tarball of dist.sh: rpm.sh TARBALL FOLDER. On EL and Fedora for that system; on Debian only to
# see that the spec file holds, since the module is then linked with Debian's libraries.
set -eu

tarball=$(realpath "${1:?usage: rpm.sh TARBALL FOLDER}")
folder=$(realpath -m "${2:?usage: rpm.sh TARBALL FOLDER}")
cd "$(dirname "$0")"

rm -rf "$folder"
mkdir -p "$folder/SOURCES" "$folder/SPECS"
cp "$tarball" "$folder/SOURCES"
spec=$folder/SPECS/mod_mtls_authz.spec
version=$(sed 's/-/~/' ../VERSION)
SOURCE_DATE_EPOCH=$(tar -tvzf "$tarball" --utc --full-time | awk 'NR == 1 { print $4 " " $5 }' | date -uf - +%s)
export SOURCE_DATE_EPOCH
{
    echo "%global package_version $version"
    cat rpm/mod_mtls_authz.spec
    printf '\n%%changelog\n* %s mod_mtls_authz maintainers - %s-1\n- See CHANGELOG.md.\n' \
        "$(LC_ALL=C date -ud "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" "$version"
} >"$spec"

nodeps=
if [ ! -e /etc/redhat-release ]; then nodeps=--nodeps; fi
rpmbuild --define "_topdir $folder" --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
    $nodeps -ba "$spec"
rpmlint --config rpm/rpmlint.toml "$folder"/SRPMS/*.rpm "$folder"/RPMS/*/*.rpm
