#!/bin/sh
# A server with the module as systemd's apache2.service, under packaging/systemd/hardening.conf. In a Debian that is
# thrown away, as root: `hardened-hour.sh prepare PACKAGES` in a chroot installs them; `hardened-hour.sh run`, once systemd
# runs there, uses all that the module asks of the kernel, and stops at the first thing that is refused.
set -eu
. "$(dirname "$0")/trial.sh"

drop_ins=/etc/systemd/system/apache2.service.d
events=/run/trial/events

prepare() {
    echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe-io
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    apt update
    apt install --no-install-recommends apache2 curl dbus iproute2 openssl systemd systemd-sysv util-linux $(both "$1")
    make_certificates
    printf '#!/bin/sh\ncat >>%s\n' $events >/usr/local/bin/tell
    chmod +x /usr/local/bin/tell
    make_site 'MTLSAuditLog /var/log/apache2/mtls_audit.log
MTLSEventCmd /usr/local/bin/tell
MTLSPolicyRefresh 1'
    mkdir -p $drop_ins
    cp "$(dirname "$0")/systemd/hardening.conf" $drop_ins/
    systemctl mask apache2.service systemd-networkd-wait-online.service 2>/dev/null
    cat >/etc/systemd/system/trial.service <<END
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
StandardOutput=file:/root/trial.log
StandardError=inherit
ExecStart=/bin/sh -c '/src/packaging/hardened-hour.sh run; echo \$\$? >/root/trial.status; systemctl --no-block poweroff'
END
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -sf ../trial.service /etc/systemd/system/multi-user.target.wants/trial.service
}

main_pid() { systemctl show -p MainPID --value apache2; }
keepers() { pgrep -x mtls-keeper; }
another_keeper() { keepers >/dev/null && [ "$(keepers)" != "$1" ]; }
is() { [ "$(status_for "$1")" = "$2" ]; }
event_has_come() { grep -qs "\"$1\"" $events; }
metric() { curl -s 'http://localhost/mtls-status?format=prometheus' | sed -n "s/^$1 //p"; }
keeper_is_up() { [ "$(metric mtls_authz_keeper_up)" = 1 ]; }
# What the module says at `warn` or worse, but for denials, the broken policy, the keeper that was killed, and the grant that
# `mtls-authz suggest` writes.
complaints() { grep -E '\[mtls_authz:(warn|error|crit|alert|emerg)\]' /var/log/apache2/error.log | grep -vE 'denied |broken\.conf|policy files are refused|the keeper has ended|no gate asks for it|no file fits yet'; }

suspends() {
    printf '%s\n' "$1" >/etc/apache2/mtls/revoked/.new
    mv /etc/apache2/mtls/revoked/.new /etc/apache2/mtls/revoked/list.conf
}

run() {
    ip link set lo up
    install -d -m 777 /run/trial
    : >/var/log/apache2/error.log
    systemctl unmask apache2

    step "start"
    systemctl start apache2 || { journalctl -u apache2 --no-pager | tail -n 20; wrong "httpd does not start"; }
    grep -E '^(NoNewPrivs|Seccomp):' "/proc/$(main_pid)/status"
    grep -q '^NoNewPrivs:.1' "/proc/$(main_pid)/status" || wrong "NoNewPrivileges does not hold"
    grep -q '^Seccomp:.2' "/proc/$(main_pid)/status" || wrong "there is no SystemCallFilter"
    ! nsenter -t "$(main_pid)" -m touch /usr/touched 2>/dev/null || wrong "ProtectSystem does not hold"
    systemctl show apache2 -p MemoryDenyWriteExecute -p RestrictAddressFamilies
    systemd-analyze security --no-pager apache2 | tail -n 1

    step "requests"
    expect acme 200
    expect stranger 403
    keeper_is_up || wrong "the page does not see the keeper"
    for child in $(pgrep -P "$(main_pid)"); do ! grep -q memfd:mtls_authz "/proc/$child/maps" || mapped=$child; done
    [ -n "${mapped:-}" ] || wrong "no child has an image of the keeper's"

    step "the tool asks the server"
    mtls-authz explain --live --host localhost --cert $work/acme.pem --method GET --path /orders/ || wrong "--live does not answer"

    step "a suspension, by the keeper"
    suspends 'MTLSSuspend acme'
    becomes 15 is acme 403 || wrong "acme is not suspended"
    suspends '# none'
    becomes 15 is acme 200 || wrong "acme stays suspended"

    step "a broken policy, and the program that is told"
    echo '<MTLSPartner' >/etc/apache2/mtls/partners/broken.conf
    becomes 20 event_has_come policy-refused || wrong "MTLSEventCmd was not run"
    rm /etc/apache2/mtls/partners/broken.conf
    expect acme 200

    step "reload"
    systemctl reload apache2
    becomes 15 is acme 200 || wrong "acme is not let in after a reload"
    becomes 15 keeper_is_up || wrong "there is no keeper after a reload"

    step "the keeper dies"
    before=$(keepers)
    kill -KILL $before
    becomes 40 another_keeper "$before" || wrong "no other keeper was started"
    suspends 'MTLSSuspend acme'
    becomes 15 is acme 403 || wrong "the new keeper does not hand out"
    suspends '# none'
    becomes 15 is acme 200 || wrong "the new keeper does not take back"

    step "restart"
    becomes 15 test -s /run/apache2/mtls_authz-seen/sightings || wrong "who was seen is not kept"
    systemctl restart apache2
    expect acme 200
    becomes 15 keeper_is_up || wrong "there is no keeper after a restart"
    grep -q '"partner":"acme"' /var/log/apache2/mtls_audit.log || wrong "the audit log is empty"

    step "nothing was refused"
    ! complaints || wrong "the module complains"
    ! grep -E 'Bad system call|exit signal' /var/log/apache2/error.log || wrong "a process was ended"
    ! journalctl -b --no-pager | grep -iE 'SECCOMP|SIGSYS|core-dump' || wrong "a process was ended"

    # The trial would see it.
    step "without memfd_create it does not start"
    systemctl stop apache2
    printf '[Service]\nSystemCallFilter=~memfd_create\n' >$drop_ins/none.conf
    systemctl daemon-reload
    ! systemctl start apache2 2>/dev/null || ! is acme 200 || wrong "memfd_create is not needed?"
    step "all as it should be"
}

case ${1:-} in
    prepare) prepare "${2:?usage: hardened-hour.sh prepare PACKAGES}" ;;
    run) run ;;
    *) echo 'usage: hardened-hour.sh prepare PACKAGES, or run' >&2 && exit 2 ;;
esac
