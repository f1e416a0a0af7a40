#!/usr/bin/env bash
# Lists all brands with the state of their instances.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/list-instances.sh [OPTION]...

Lists brands and how their instances are. The options are those of 'constintel brand list', --output json
among them.
TEXT
}

case ${1-} in -h | --help) usage; exit 0 ;; esac
constintel brand list "$@"
