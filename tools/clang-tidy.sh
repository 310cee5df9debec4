#!/bin/sh
# clang-tidy of one source, unless it found the same text clean before: clang-tidy.sh SOURCE OPTION_OF_THE_COMPILER...
# What it finds depends on its version, its configuration, the options, and the text with comments (NOLINT) and headers.
set -eu
source=$1
shift
clean=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mtls-authz/clang-tidy
text() {
    clang-tidy --version
    cat .clang-tidy
    printf '%s\n' "$@" | grep -v '^-D'
    clang++ "$@" -E -C "$source" | grep -v "^# .*\"$source\""
}
key=$(text "$@" | sha256sum | cut -d ' ' -f 1)
[ ! -e "$clean/$key" ] || exit 0
clang-tidy --config-file=.clang-tidy --quiet "$source" -- "$@" 2>/dev/null
mkdir -p "$clean"
touch "$clean/$key"
