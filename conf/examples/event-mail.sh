#!/bin/sh
# Mails each event of MTLSEventCmd: MTLSEventCmd /usr/local/lib/mtls/event-mail.sh pki@example.org
#
# Needs sendmail. Text in the JSON may come from certificates: here it is never a word of a command, and in the mail's head
# there are only the words that these patterns take. A quote inside of a text is \", so no text can be taken for a key.
set -eu
to=$1
json=$(head -c 65536)

field() { printf '%s\n' "$json" | sed -n "s/^{\\(.*,\\)\\{0,1\\}\"$1\":\"\\([A-Za-z0-9.*_-]\\{1,64\\}\\)\".*/\\2/p"; }

{
    printf 'To: %s\n' "$to"
    printf 'Subject: [mod_mtls_authz %s] %s %s\n' "$(field host)" "$(field event)" "$(field partner)"
    printf 'MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\nAuto-Submitted: auto-generated\n\n'
    # One key a line, for people.
    printf '%s\n' "$json" | sed 's/","/",\n "/g'
} | "${SENDMAIL:-/usr/sbin/sendmail}" -i -t
