#!/usr/bin/env bash
# Deletes a brand; it can be had back for a while.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/remove-instance.sh SLUG [OPTION]...

Asks, and deletes the brand SLUG: its instance stops and the edge forgets it. All is kept for 30 days, and
'constintel brand undelete SLUG' gives it back. The options are those of 'constintel brand delete'.
TEXT
}

case ${1-} in -h | --help) usage; exit 0 ;; esac
[ $# -ge 1 ] || { usage >&2; exit 64; }
constintel brand delete "$@"
