#!/usr/bin/env bash
# Restores a brand from a backup, or takes the last restore back.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/restore-backup.sh SLUG [OPTION]...
       infra/restore-backup.sh --back SLUG

Asks, and puts the state of the newest backup in the place of the brand's present one; events and decisions that
came later are brought over. The options are those of 'constintel backup restore', --backup and --discard-later
among them. --back brings the former state back. A machine that is lost: runbooks/machine-lost.md.
TEXT
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    --back)
        [ $# -ge 2 ] || { usage >&2; exit 64; }
        constintel backup swap-back "${@:2}"
        ;;
    "" | -*) usage >&2; exit 64 ;;
    *) constintel backup restore "$@" ;;
esac
