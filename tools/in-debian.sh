#!/bin/sh
# Runs a command on this source tree in another release of Debian: in-debian.sh SUITE COMMAND [ARG...]
#
# The release is made with debootstrap from the mirror that this machine's own apt uses, in $DEBIAN_ROOTS/SUITE (default
# /var/cache/mtls-authz), and kept for the next run. The command runs in a chroot with the tree at /src, in namespaces of
# its own: its mounts and its processes end with it. It reaches the network as this machine does.
# Exit status: the command's; 77 where the release cannot be made here (not root, no debootstrap, no mirror).
set -eu

suite=${1:?usage: in-debian.sh SUITE COMMAND [ARG...]}
shift
source=$(cd "$(dirname "$0")/.." && pwd)
root=${DEBIAN_ROOTS:-/var/cache/mtls-authz}/$suite

cannot() {
    echo "in-debian.sh: no Debian $suite here: $1" >&2
    exit 77
}

# The archive that apt reads Debian's own main component from; suites of other releases are beside it.
mirror() {
    apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "main" && $4 !~ /-security$/ { print $3; exit }'
}

[ "$(id -u)" = 0 ] || cannot "only root can make one"
unshare --mount true 2>/dev/null || cannot "this machine allows no mount namespaces"

if [ ! -e "$root/.complete" ]; then
    command -v debootstrap >/dev/null 2>&1 ||
        env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap >&2 ||
        cannot "debootstrap is missing, and cannot be installed"
    from=$(mirror)
    [ -n "$from" ] || cannot "apt knows no mirror of Debian (try: apt-get update)"
    rm -rf "$root"
    mkdir -p "$root"
    echo "in-debian.sh: makes a Debian $suite in $root" >&2
    debootstrap --variant=minbase --include=make,ca-certificates "$suite" "$root" "$from" >"$root.log" 2>&1 ||
        cannot "debootstrap failed, see $root.log"
    # apt's own way to the mirror.
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Check)' >"$root/etc/apt/apt.conf.d/90machine" || true
    mkdir -p "$root/src"
    touch "$root/.complete"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -L /etc/hosts "$root/etc/hosts"

export source root
exec unshare --mount --pid --fork --kill-child sh -c '
    mount --make-rprivate /
    mount --bind "$source" "$root/src"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 YES=1 sh -c "cd /src && exec \"\$@\"" sh "$@"' sh "$@"
