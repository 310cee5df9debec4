# What first-hour.sh and hardened-hour.sh share; sourced. Both run as root in a Debian that is thrown away.
export DEBIAN_FRONTEND=noninteractive
work=/var/lib/trial  # readable for httpd's user, and no PrivateTmp of its unit hides it

step() { printf '\n== %s\n' "$*"; }
wrong() {
    echo "${0##*/}: $*" >&2
    tail -n 20 /var/log/apache2/error.log >&2 || true
    exit 1
}
apt() { apt-get -y -q -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@"; }
# Both packages of a folder, without debug symbols.
both() { for name in libapache2-mod-mtls-authz mtls-authz; do echo "$(realpath "$1")/${name}"_*.deb; done; }

make_certificates() {
    mkdir -p "$work"
    cd "$work"
    for ca in acme-ca server-ca; do
        openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -out $ca.pem -days 30 -subj "/CN=$ca" 2>/dev/null
    done
    certificate server server-ca localhost
    certificate acme acme-ca api.acme.example
    certificate stranger acme-ca api.other.example
    cd "$OLDPWD"
}
# certificate NAME CA DNS-NAME
certificate() {
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=DNS:%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 -extfile "$1.ext" \
        -out "$1.pem" 2>/dev/null
    cat "$1.pem" "$1.key" >"$1.both"
}

# Enables the module, with acme as its partner and a gate at /orders; $1: more lines for the server.
make_site() {
    a2enmod -q ssl mtls_authz
    sed -i 's/^#MTLS/MTLS/' /etc/apache2/mods-available/mtls_authz.conf
    install -m 644 $work/acme-ca.pem /etc/apache2/mtls/
    mtls-authz suggest $work/acme.pem --name acme --anchor mtls/acme-ca.pem --root /etc/apache2 |
        sed 's|^</MTLSPartner>|    MTLSGrant read /orders/**\n&|' >/etc/apache2/mtls/partners/acme.conf
    cat /etc/apache2/mtls/partners/acme.conf
    mtls-authz check --root /etc/apache2 /etc/apache2/mtls/partners/acme.conf
    mkdir -p /var/www/html/orders
    echo orders >/var/www/html/orders/index.html
    cat >/etc/apache2/sites-available/partners.conf <<END
<VirtualHost *:443>
    ServerName            localhost
    SSLEngine             on
    SSLCertificateFile    $work/server.pem
    SSLCertificateKeyFile $work/server.key
    SSLVerifyClient       optional
    SSLVerifyDepth        5
    MTLSClientCA          On
    <Location /orders>
        MTLSAllow by-grant
    </Location>
</VirtualHost>
<Location /mtls-status>
    SetHandler mtls-authz-status
    MTLSStatus On
    Require    local
</Location>
${1:-}
END
    a2ensite -q partners
    apache2ctl configtest
}

# The status that a client is answered with.
status_for() { curl -s -o /dev/null -w '%{http_code}' --cacert $work/server-ca.pem --cert $work/$1.both https://localhost/orders/; }
expect() {
    status=$(status_for "$1") || true
    [ "$status" = "$2" ] || wrong "$1 is answered with $status, not $2"
}
# becomes SECONDS COMMAND...: waits until it succeeds.
becomes() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 1
    done
}
