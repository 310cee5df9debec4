#!/bin/sh
# Makes the image of packaging/Containerfile with podman, and tries a server in it: test-container.sh PACKAGES SUITE.
# PACKAGES: those of `make deb`, built on SUITE. The image debian:SUITE-slim is made with debootstrap where podman has none.
# Root only; 77 where podman runs no container here.
set -eu
cd "$(dirname "$0")/.."
. packaging/trial.sh

packages=$(realpath "${1:?usage: test-container.sh PACKAGES SUITE}")
suite=${2:?usage: test-container.sh PACKAGES SUITE}
work=$(mktemp -d)
base=docker.io/library/debian:$suite-slim
name=mtls-authz-trial
# More of podman's own switches in PODMAN_FLAGS: --runtime, --storage-driver.
run="podman --cgroup-manager=cgroupfs ${PODMAN_FLAGS:-}"
parents() { find /sys/fs/cgroup -maxdepth 2 -name libpod_parent 2>/dev/null; }
were_there=$(parents)
clean() {
    $run rm -f $name >/dev/null 2>&1 || true
    rm -rf "$work"
    [ -n "$were_there" ] || [ -z "$(parents)" ] || find $(parents) -depth -type d -exec rmdir {} + 2>/dev/null || true
}
trap clean EXIT
command -v podman >/dev/null 2>&1 || { echo "test-container.sh: there is no podman here" >&2 && exit 77; }

if ! $run image exists "$base"; then
    step "a base image by debootstrap"
    DEBIAN_ROOTS=$work/roots tools/in-debian.sh "$suite" true
    tar -C "$work/roots/$suite" -c . | $run import - "$base"
fi

step "build"
$run build --isolation=chroot --pull=never --network=host --build-arg DEBIAN="$suite" -t $name -f packaging/Containerfile "$packages"

step "start"
make_certificates
mkdir -p "$work/mtls/partners" "$work/mtls/revoked" "$work/mtls/crl" "$work/tls"
cp "$work/acme-ca.pem" "$work/mtls/"
cp "$work/server.pem" "$work/tls/tls.crt"
install -m 640 -g 33 "$work/server.key" "$work/tls/tls.key"
cat >"$work/mtls/partners/acme.conf" <<'END'
<MTLSPartner acme>
    MTLSIdentity    DNS:api.acme.example
    MTLSTrustAnchor mtls/acme-ca.pem
    MTLSGrant       read /**
</MTLSPartner>
END
cat >"$work/site.conf" <<'END'
ServerName localhost
MTLSPolicyRefresh 1
MTLSAuditLog /dev/stdout
<VirtualHost *:8443>
    SSLEngine             on
    SSLCertificateFile    tls/tls.crt
    SSLCertificateKeyFile tls/tls.key
    SSLVerifyClient       optional
    SSLVerifyDepth        5
    MTLSClientCA          On
    <Location />
        MTLSAllow by-grant
    </Location>
</VirtualHost>
END
chmod 755 "$work"
$run run -d --name $name --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --read-only --cap-drop=all --security-opt=no-new-privileges --network=none \
    --tmpfs /tmp --mount type=tmpfs,destination=/run/apache2,tmpfs-mode=0777 \
    -v "$work/mtls:/etc/apache2/mtls:ro" -v "$work/tls:/etc/apache2/tls:ro" \
    -v "$work/site.conf:/etc/apache2/sites-enabled/site.conf:ro" $name >/dev/null ||
    { echo "test-container.sh: podman runs no container here" >&2 && exit 77; }
log() { $run logs $name 2>&1; }
pid=$($run inspect -f '{{.State.Pid}}' $name)
status_for() {
    nsenter -t "$pid" -n curl -s -o /dev/null -w '%{http_code}' --cacert "$work/server-ca.pem" --cert "$work/$1.both" \
        https://localhost:8443/
}
is() { [ "$(status_for "$1")" = "$2" ]; }
failed() { log | tail -n 20 && echo "test-container.sh: $*" >&2 && exit 1; }

becomes 20 is acme 200 || failed "acme is not let in"
is stranger 403 || failed "a stranger is let in"
grep -E '^(Uid|CapEff|NoNewPrivs):' "/proc/$pid/status"
grep -qE '^Uid:.33.33.33.33' "/proc/$pid/status" || failed "httpd runs as another user"
! $run exec $name touch /etc/touched 2>/dev/null || failed "the root file system can be written"

step "the tool asks the server"
cp "$work/acme.pem" "$work/mtls/"
$run exec $name mtls-authz explain --live --cert /etc/apache2/mtls/acme.pem --method GET --path / | head -n 1 || failed "no answer"

step "a suspension, by the keeper"
printf 'MTLSSuspend acme\n' >"$work/mtls/revoked/list.conf"
becomes 15 is acme 403 || failed "acme is not suspended"

step "stop"
log | grep -q '"partner":"acme"' || failed "the audit log is empty"
! log | grep -E '\[mtls_authz:(warn|error|crit|alert|emerg)\]' | grep -vE 'denied |httpd is not started as root|no file fits yet' || failed "it complains"
$run stop -t 20 $name >/dev/null
step "all as it should be"
