#!/usr/bin/env bash
# Brings a new release to an installed machine, and takes it back when it does not serve.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/production.sh"

usage() {
    cat <<'TEXT'
Usage: infra/deploy-production.sh [--binaries DIR] [--release NAME] [--keep-brands]
       infra/deploy-production.sh --back

Installs a release beside those that are there, makes it current, and restarts constinteld while brands serve on.
When that does not become ready, the release before it is current again, and the status is 1. Then the instances
of brands that follow the current release are restarted, one after the other; requests wait in their sockets.

  --binaries DIR   the programs (default: build them from this checkout)
  --release NAME   the release's name (default: what constinteld --version says)
  --keep-brands    leave the instances as they run
  --back           go back to the release that was current before
TEXT
}

given_binaries=
release=
keep_brands=
back=
while [ $# -gt 0 ]; do
    case $1 in
        --binaries) [ -d "${2-}" ] || { usage >&2; exit 64; }; given_binaries=$(realpath "$2"); shift ;;
        --release) [ -n "${2-}" ] || { usage >&2; exit 64; }; release=$2; shift ;;
        --keep-brands) keep_brands=1 ;;
        --back) back=1 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done
require_systemd
before=$(current_release)
[ -n "$before" ] || die "nothing is installed here; install with infra/setup-production.sh"

constintel() { CONSTINTEL_HOME=$state "$programs/current/constintel" "$@"; }

# All brands, page after page.
slugs() {
    local page cursor=
    while :; do
        page=$(constintel brand list --limit 200 --output json ${cursor:+--cursor "$cursor"})
        grep -o '"slug":"[^"]*"' <<<"$page" | cut -d '"' -f 4
        cursor=$(grep -o '"nextCursor":"[^"]*"' <<<"$page" | cut -d '"' -f 4)
        [ -n "$cursor" ] || return 0
    done
}

# Makes a release current with its units; 1 when its constinteld does not serve.
take_up() {
    switch_release "$1"
    install_units
    restart_daemon
}

if [ -n "$back" ]; then
    release=$(cat "$programs/previous" 2>/dev/null) || die "there is no release to go back to"
    [ -d "$programs/releases/$release" ] || die "the release $release is no longer installed"
else
    find_binaries "$given_binaries"
    release=${release:-$("$binaries/constinteld" --version)}
    install_release "$release"
fi
if [ "$release" = "$before" ]; then
    say "The release $release is current already."
    exit 0
fi
step "Switching from $before to $release"
if ! take_up "$release"; then
    step "constinteld of $release is not ready; going back to $before"
    take_up "$before" || die "and constinteld of $before is not ready either; see: journalctl -u constinteld"
    die "the release $release was not taken up; see: journalctl -u constinteld"
fi
echo "$before" >"$programs/previous"
if [ -z "$keep_brands" ]; then
    step "Restarting the instances that follow the current release"
    # Those with a release of their own show it; those that do not run start with the new one anyway.
    while read -r slug; do
        shown=$(constintel instance show "$slug")
        if grep -q '^release ' <<<"$shown" || ! grep -q '^instance  *ready' <<<"$shown"; then continue; fi
        constintel instance restart "$slug" </dev/null >/dev/null
        say "   $slug"
    done < <(slugs)
fi
step "$release is current; back with: infra/deploy-production.sh --back"
