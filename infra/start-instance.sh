#!/usr/bin/env bash
# Starts a brand's instance.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/start-instance.sh SLUG [OPTION]...

Starts the instance of the brand SLUG and returns when it serves. The options are those of
'constintel instance start'.
TEXT
}

case ${1-} in -h | --help) usage; exit 0 ;; esac
[ $# -ge 1 ] || { usage >&2; exit 64; }
constintel instance start "$@"
