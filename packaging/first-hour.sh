#!/bin/sh
# In a fresh Debian, as root: first-hour.sh PACKAGES OLDER. Installs the older packages, goes through an administrator's
# first hour, upgrades and downgrades below a running server, removes and purges. Stops at the first thing that is wrong.
set -eu
. "$(dirname "$0")/trial.sh"

packages=${1:?usage: first-hour.sh PACKAGES OLDER}
older=${2:?usage: first-hour.sh PACKAGES OLDER}
# Port 443 of the machine is not ours: everything is fetched, and goes on in a network of its own.
if [ "${3:-}" != alone ]; then
    unshare --net true || { echo "first-hour.sh: this machine allows no network of its own" >&2 && exit 77; }
    # A system that is thrown away does not have to outlive a crash.
    echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe-io
    apt update
    apt install --no-install-recommends curl iproute2 openssl
    apt install --download-only apache2-utils $(both "$older")
    exec unshare --net "$0" "$packages" "$older" alone
fi
ip link set lo up

# Runs a command while acme and a stranger ask: acme is never refused or kept waiting in vain, the stranger always denied.
under_load() {
    rm -f $work/stop
    # In short runs: ab hangs now and then when it is interrupted.
    while [ ! -e $work/stop ]; do
        ab -q -n 500 -c 4 -E $work/acme.both https://localhost/orders/ || echo 'Failed requests: 1'
    done >$work/ab.log 2>&1 &
    load=$!
    : >$work/stranger.log
    while sleep 0.05; do echo "$(status_for stranger)" >>$work/stranger.log; done &
    strangers=$!
    sleep 2
    "$@"
    takes_the_installed_module
    sleep 2
    kill $strangers
    touch $work/stop
    wait $load
    echo "$(grep -c '^Complete requests: *500$' $work/ab.log) times 500 requests"
    grep -q '^Complete requests: *500$' $work/ab.log || { cat $work/ab.log; wrong "there was no load"; }
    ! grep -q '^Failed requests: *[1-9]' $work/ab.log || { cat $work/ab.log; wrong "requests failed"; }
    ! grep -q '^Non-2xx' $work/ab.log || { cat $work/ab.log; wrong "acme was denied"; }
    [ "$(sort -u $work/stranger.log)" = 403 ] || wrong "the stranger saw: $(sort -u $work/stranger.log | tr '\n' ' ')"
}

# Processes that still have a module that was replaced are those that finish their connections.
takes_the_installed_module() {
    for i in $(seq 150); do
        grep -sq 'mod_mtls_authz.so (deleted)' /proc/[0-9]*/maps || break
        sleep 0.2
    done
    ! grep -sl 'mod_mtls_authz.so (deleted)' /proc/[0-9]*/maps || wrong "the old module is still in use"
    grep -sq 'mod_mtls_authz.so' "/proc/$(cat /var/run/apache2/apache2.pid)/maps" || wrong "the module is not loaded"
}

# Without an init system, packages start their services where this allows it.
printf '#!/bin/sh\nexit 0\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d

step "install"
apt install apache2-utils $(both "$older")
! a2query -q -m mtls_authz || wrong "installing the module enables it"
for folder in partners revoked crl expect; do
    [ "$(stat -c '%U %a' /etc/apache2/mtls/$folder)" = 'root 755' ] || wrong "/etc/apache2/mtls/$folder is not root's"
done
[ "$(curl -s -o /dev/null -w '%{http_code}' http://localhost/)" = 200 ] || wrong "the server does not run"

step "first partner"
make_certificates
make_site
service apache2 restart
expect acme 200

step "first denial"
expect stranger 403
grep -m 1 'reason=unknown-partner' /var/log/apache2/error.log >$work/line || wrong "the log does not say why"
mtls-authz why "$(cat $work/line)" || [ $? = 3 ]

step "status page"
curl -s http://localhost/mtls-status | grep -q acme || wrong "the page does not name acme"

step "upgrade"
under_load apt install $(both "$packages")
grep -q '^MTLSPolicyFile' /etc/apache2/mods-available/mtls_authz.conf || wrong "the upgrade took the configuration back"
step "the same version again"
under_load apt install --reinstall $(both "$packages")
step "downgrade"
under_load apt install --allow-downgrades $(both "$older")
apt install $(both "$packages")
expect acme 200

step "remove: the running server goes on with what it has"
apt remove libapache2-mod-mtls-authz
expect acme 200
expect stranger 403
[ -e /etc/apache2/mtls/partners/acme.conf ] || wrong "removing took the policy"
a2dissite -q partners

step "purge"
apt purge libapache2-mod-mtls-authz mtls-authz
rm -rf $work /etc/apache2/sites-available/partners.conf
service apache2 restart
[ "$(curl -s -o /dev/null -w '%{http_code}' http://localhost/)" = 200 ] || wrong "the server does not run"
left=$(find / \( -path /src -o -path /proc -o -path /sys -o -path /dev -o -path /var/lib/apache2/site \) -prune -o \
    -iname '*mtls*' -print)
[ -z "$left" ] || wrong "left after purge: $left"
step "all as it should be"
