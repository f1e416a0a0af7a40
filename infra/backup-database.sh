#!/usr/bin/env bash
# Backs brands up, or everything.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/backup-database.sh [SLUG]...

Backs up the brands named, or, where none is, the control plane and every brand, one after the other, and returns
when all is done. Status 1 when one failed; the others are backed up all the same. All of that is also done by
itself: runbooks/backups.md.
TEXT
}

# The slugs of all brands that are there and not deleted, a line each.
list_brands() {
    local page cursor=
    while :; do
        page=$(constintel brand list --limit 200 --output json ${cursor:+--cursor "$cursor"}) || return 1
        grep -o '"slug":"[^"]*"[^{]*"status":"[a-z]*"' <<<"$page" | grep -Ev '"(deleted|provisioning)"$' | cut -d '"' -f 4 || true
        cursor=$(grep -o '"nextCursor":"[^"]*"' <<<"$page" | cut -d '"' -f 4 || true)
        [ -n "$cursor" ] || return 0
    done
}

case ${1-} in -h | --help) usage; exit 0 ;; -*) usage >&2; exit 64 ;; esac
status=0
if [ $# -eq 0 ]; then
    say "Backing up the control plane"
    constintel platform backup || status=1
    brands=$(list_brands) || exit 1
    # shellcheck disable=SC2086
    set -- $brands
fi
for slug in "$@"; do
    say "Backing up $slug"
    constintel backup create "$slug" || status=1
done
exit "$status"
