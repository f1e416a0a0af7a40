#!/usr/bin/env bash
# Makes a Debian 12 ready to work on ConstIntel.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/setup-dev.sh [--skip-build]

Installs the Debian packages that building and testing need, checks the Swift toolchain, and builds everything
once. Then: infra/run.sh for a running service, infra/test.sh for the tests, infra/dev/box for a systemd to try.
TEXT
}

build=1
for argument in "$@"; do
    case $argument in
        --skip-build) build= ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done
packages+=(prometheus chromium shellcheck systemd dbus iproute2)
install_packages
require_swift
[ -z "$build" ] || swift build --package-path "$root" --build-tests
say "Ready. Next: infra/run.sh, infra/test.sh, infra/dev/box --help"
