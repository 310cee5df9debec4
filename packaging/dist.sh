#!/bin/sh
# Packs the source tree as a tarball: dist.sh TARBALL. The same sources give the same bytes.
# Their date is SOURCE_DATE_EPOCH, or that of the last commit, or, in an unpacked tarball, the one that it had.
set -eu

tarball=${1:?usage: dist.sh TARBALL}
cd "$(dirname "$0")/.."
name=mod_mtls_authz-$(cat VERSION)
if [ -e .git ] && git log -1 >/dev/null 2>&1; then
    date=$(git log -1 --format=%ct)
    files() { git ls-files -z; }
else
    date=$(stat -c %Y VERSION)
    files() { find . -path ./build -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z; }
fi

mkdir -p "$(dirname "$tarball")"
files | tar --create --null --files-from=- --transform "s|^|$name/|" --format=gnu --mtime="@${SOURCE_DATE_EPOCH:-$date}" \
    --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' | gzip -9n >"$tarball.new"
mv "$tarball.new" "$tarball"
