#!/usr/bin/env bash
# Makes a brand and its instance, and waits until it serves.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/create-instance.sh SLUG [OPTION]...

Makes the brand SLUG, or finds it made already, and returns when its instance serves. The options are those of
'constintel brand create'.

  infra/create-instance.sh acme --country IN --currency INR
TEXT
}

case ${1-} in -h | --help) usage; exit 0 ;; esac
[ $# -ge 1 ] || { usage >&2; exit 64; }
constintel brand create "$@" --if-absent
