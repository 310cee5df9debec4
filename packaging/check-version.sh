#!/bin/sh
# Checks that CHANGELOG.md has an entry for the version in VERSION: "## 1.0", or "## Unreleased" for 1.0-dev.
set -eu
cd "$(dirname "$0")/.."

version=$(cat VERSION)
case $version in
    *-dev) heading="## Unreleased" ;;
    *) heading="## $version" ;;
esac
first=$(grep -m 1 '^## ' CHANGELOG.md)
case $first in
    "$heading" | "$heading "*) ;;
    *)
        echo "check-version.sh: VERSION is $version, so CHANGELOG.md has to begin with \"$heading\", not \"$first\"" >&2
        exit 1
        ;;
esac
