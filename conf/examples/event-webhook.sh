#!/bin/sh
# Posts each event of MTLSEventCmd, as it is, to a webhook: MTLSEventCmd /usr/local/lib/mtls/event-webhook.sh https://hooks.example.org/mtls
#
# Needs curl. The JSON goes from standard input to the request's body: no text in it is ever a word of a command. For a
# chat that wants another form, jq makes it: jq -c '{text: "\(.event) \(.partner // ""): \(.message)"}' | curl ...
set -eu
exec curl --silent --show-error --fail --max-time 8 --proto '=https' \
    --header 'Content-Type: application/json' --data-binary @- --output /dev/null -- "$1"
