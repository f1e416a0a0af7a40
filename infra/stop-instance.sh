#!/usr/bin/env bash
# Stops a brand's instance.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/stop-instance.sh SLUG [OPTION]...

Stops the instance of the brand SLUG, which then answers 503 until it is started. The options are those of
'constintel instance stop'.
TEXT
}

case ${1-} in -h | --help) usage; exit 0 ;; esac
[ $# -ge 1 ] || { usage >&2; exit 64; }
constintel instance stop "$@"
