#!/bin/sh
# Looks for what a make target needs, and installs what is missing after saying so: setup.sh build|demo|demo-fleet|test|lint|bench|deb|install|hardening|rpm
# YES=1 answers the question; without a terminal it is not asked.
set -eu

goal=${1:?usage: setup.sh build|demo|demo-fleet|test|lint|bench|deb|install|hardening|rpm}

if command -v apt-get >/dev/null 2>&1; then
    family=debian
elif command -v dnf >/dev/null 2>&1; then
    family=redhat
else
    family=other
fi

missing=
# need TEST DEBIAN-PACKAGE REDHAT-PACKAGE: adds the package where the shell command TEST fails.
need() {
    if eval "$1" >/dev/null 2>&1; then return; fi
    case $family in
        debian) missing="$missing $2" ;;
        redhat) missing="$missing $3" ;;
        *) missing="$missing $2" ;;
    esac
}

# Not packaged everywhere: without it a test says that it was not made.
wished=
wish() { if ! eval "$1" >/dev/null 2>&1; then wished="$wished $2"; fi; }

header() { echo "#include <$1>" | "${CXX:-g++}" -E -x c++ - ; }
cmocka_header() {
    printf '#include <%s>\n' stdarg.h stddef.h stdint.h setjmp.h cmocka.h | "${CXX:-g++}" -E -x c++ -
}
pcre2_header() { printf '#define PCRE2_CODE_UNIT_WIDTH 8\n#include <pcre2.h>\n' | "${CXX:-g++}" -E -x c++ - ; }
httpd_headers() { apxs=$(command -v apxs || command -v apxs2) && test -f "$("$apxs" -q INCLUDEDIR)/httpd.h"; }
installed() { dpkg-query -W -f '${Status}' "$1" | grep -q 'ok installed'; }
# Of APR, for a policy's database.
apr_driver() { ls /usr/lib/*/apr-util-1/apr_dbd_"$1".so /usr/lib*/apr-util-1/apr_dbd_"$1".so 2>/dev/null | grep -q . ; }
postgres_server() { ls /usr/lib/postgresql/*/bin/initdb /usr/bin/initdb 2>/dev/null | grep -q . ; }
sanitizers() { echo 'int main() {}' | clang++ -fsanitize=address,undefined -shared-libsan -x c++ - -o /dev/null; }
httpd_module() { apxs=$(command -v apxs || command -v apxs2) && test -f "$("$apxs" -q LIBEXECDIR)/$1"; }

need 'command -v "${CXX:-g++}"' g++ gcc-c++
need 'header openssl/ssl.h' libssl-dev openssl-devel
need 'httpd_headers' apache2-dev httpd-devel
need 'header CLI/CLI.hpp' libcli11-dev cli11-devel
need 'header nlohmann/json.hpp' nlohmann-json3-dev json-devel
need 'header curl/curl.h' libcurl4-openssl-dev libcurl-devel
need 'pcre2_header' libpcre2-dev pcre2-devel
case $goal in demo | demo-fleet | test | lint | bench)
    need 'command -v apache2 || command -v httpd || test -x /usr/sbin/apache2 -o -x /usr/sbin/httpd' apache2-bin httpd
    need 'httpd_module mod_ssl.so' apache2-bin mod_ssl
    need 'httpd_module mod_http2.so' apache2-bin mod_http2
    need cmocka_header libcmocka-dev libcmocka-devel
    ;;
esac
case $goal in demo-fleet | test)
    need 'apr_driver pgsql' libaprutil1-dbd-pgsql apr-util-pgsql
    need 'postgres_server' postgresql postgresql-server
    need 'command -v psql' postgresql-client postgresql
    need 'test -x /usr/sbin/haproxy' haproxy haproxy
    ;;
esac
if [ "$goal" = test ]; then
    need 'command -v clang++' clang clang
    need sanitizers libclang-rt-dev compiler-rt
    need 'apr_driver sqlite3' libaprutil1-dbd-sqlite3 apr-util-sqlite
    need 'apr_driver mysql' libaprutil1-dbd-mysql apr-util-mysql
    need 'test -x /usr/sbin/mariadbd || test -x /usr/libexec/mariadbd' mariadb-server-core mariadb-server
    need 'command -v mariadb' mariadb-client-core mariadb
    need 'command -v sqlite3' sqlite3 sqlite
    need 'test -x /usr/sbin/pgbouncer || test -x /usr/bin/pgbouncer' pgbouncer pgbouncer
    need 'ls /usr/lib*/*/faketime/libfaketimeMT.so.1 /usr/lib*/faketime/libfaketimeMT.so.1 2>/dev/null | grep -q .' \
        libfaketime libfaketime
fi
if [ "$goal" = deb ] || [ "$goal" = install ] || [ "$goal" = hardening ]; then
    need 'installed build-essential' build-essential build-essential
    need 'command -v dh' debhelper debhelper
    need 'command -v dh_apache2' apache2-dev apache2-dev
    need 'installed apache2-ssl-dev' apache2-ssl-dev apache2-ssl-dev
    need 'command -v lintian' lintian lintian
fi
if [ "$goal" = rpm ]; then
    need 'command -v rpmbuild' rpm rpm-build
    need 'command -v rpmlint' rpmlint rpmlint
fi
if [ "$goal" = install ] || [ "$goal" = hardening ]; then need 'command -v debootstrap' debootstrap debootstrap; fi
if [ "$goal" = hardening ]; then need 'command -v systemd-nspawn' systemd-container systemd-container; fi
if [ "$goal" = bench ] || [ "$goal" = lint ]; then
    need 'header benchmark/benchmark.h' libbenchmark-dev google-benchmark-devel
fi
if [ "$goal" = bench ]; then
    need 'command -v valgrind' valgrind valgrind
    need 'test -x /usr/sbin/nginx' nginx nginx
    need 'test -x /usr/sbin/haproxy' haproxy haproxy
fi
if [ "$goal" = test ] || [ "$goal" = lint ]; then
    need 'command -v valgrind' valgrind valgrind
    need 'test -x /usr/sbin/nginx' nginx nginx
    need 'test -x /usr/sbin/haproxy' haproxy haproxy
    need 'command -v openssl' openssl openssl
    need 'command -v python3' python3 python3
    need 'command -v javac' default-jdk-headless java-devel
    need 'header valijson/schema.hpp' libvalijson-dev valijson-devel
    browser=chromium-headless-shell
    [ "$family" = redhat ] && browser=chromium-headless
    wish 'command -v chromium-headless-shell || command -v chromium || test -x /usr/lib64/chromium-browser/headless_shell' \
        "$browser"
    promtool=prometheus
    [ "$family" = redhat ] && promtool=golang-github-prometheus
    wish 'command -v promtool' "$promtool"
    # What recipes of docs/cookbook.md are tried with.
    wish 'httpd_module mod_oauth2.so' libapache2-mod-oauth2
    wish 'command -v jq' jq
    wish 'command -v node' nodejs
    wish 'test -e /usr/share/java/tomcat10-catalina.jar' libtomcat10-java
fi
if [ "$goal" = lint ]; then
    need 'command -v clang++' clang clang
    need 'command -v clang-format' clang-format clang-tools-extra
    need 'command -v clang-tidy' clang-tidy clang-tools-extra
fi

missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
[ -n "$(echo $missing $wished)" ] || exit 0
if [ "$family" = other ]; then
    echo "Missing, by their Debian names: $missing$wished" >&2
    [ -z "$(echo $missing)" ] && exit 0 || exit 1
fi

echo "To be installed: $missing$wished"
if [ "${YES:-}" != 1 ] && [ -t 0 ]; then
    printf 'Go on? [Y/n] '
    read -r answer
    case $answer in [nN]*) exit 1 ;; esac
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Not root, and no sudo: install $missing$wished yourself" >&2
        [ -z "$(echo $missing)" ] && exit 0 || exit 1
    fi
    as_root=sudo
fi
if [ "$family" = debian ]; then
    # No public server is started: apache2-bin, not apache2, and the package of nginx is kept from starting it.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap '$as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod +x "$policy"
    fi
    $as_root apt-get update -q
    install='env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends'
else
    install='dnf install -y'
fi
[ -z "$(echo $missing)" ] || $as_root $install $missing
for package in $wished; do
    $as_root $install "$package" || echo "$package is not to be had here: the test that needs it is left out"
done
