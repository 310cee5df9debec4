#!/bin/sh
# Tries packages under packaging/systemd/hardening.conf: test-hardening.sh TARBALL SUITE [PACKAGES]. systemd runs as it does
# on a machine, in a fresh Debian that systemd-nspawn boots without a network, and that is removed afterwards.
# Root only; 77 where no such Debian can be made or booted here.
set -eu

tarball=${1:?usage: test-hardening.sh TARBALL SUITE [PACKAGES]}
suite=${2:?usage: test-hardening.sh TARBALL SUITE [PACKAGES]}
packages=${3:-build/test-install/$suite/packages}
cd "$(dirname "$0")/.."

[ -n "${3:-}" ] || packaging/build-for.sh "$tarball" "$suite" "$packages"
DEBIAN_ROOTS=$(mktemp -d)
export DEBIAN_ROOTS
root=$DEBIAN_ROOTS/$suite
# Where no systemd of this machine has control groups, nspawn makes its own below their roots.
groups() { for tree in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    for name in payload supervisor; do echo $tree/$name; done
done; }
were_there=$(ls -d $(groups) 2>/dev/null || true)
clean() {
    rm -rf "$DEBIAN_ROOTS"
    # The kernel keeps them for a moment after their last process.
    for i in 1 2 3 4 5; do
        [ -z "$were_there" ] && ls -d $(groups) >/dev/null 2>&1 || break
        find $(groups) -depth -type d -exec rmdir {} + 2>/dev/null || sleep 1
    done
}
trap clean EXIT

tools/in-debian.sh "$suite" packaging/hardened-hour.sh prepare "$packages"
timeout 600 systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --private-network --console=pipe \
    --bind-ro="$PWD:/src" --boot >"$root/root/boot.log" 2>&1 </dev/null || true
if [ ! -e "$root/root/trial.log" ]; then
    tail -n 20 "$root/root/boot.log" >&2
    echo "test-hardening.sh: systemd-nspawn boots no Debian $suite here" >&2
    exit 77
fi
cat "$root/root/trial.log"
exit "$(cat "$root/root/trial.status" 2>/dev/null || echo 1)"
