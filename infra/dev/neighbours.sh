#!/usr/bin/env bash
# Measures in a box what a quiet brand notices of a neighbour that takes all it can get.
set -euo pipefail
# shellcheck source=infra/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/dev/neighbours.sh --binaries DIR [--rounds N] [--seconds N] [NEIGHBOUR]...

Boots a box, installs the programs of DIR in it with infra/setup-production.sh, makes a quiet brand and noisy
ones, and prints for each kind of neighbour how long the quiet brand's requests take alone and beside it, in
turns, and what the neighbour got. Status 1 when a request of the quiet brand failed.

  --rounds N     turns of alone and beside (default 3)
  --seconds N    how long each lasts (default 10)
  NEIGHBOUR      only these; the names and what they do are the table KINDS in infra/dev/neighbours.py
TEXT
}

binaries=
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --binaries) [ -d "${2-}" ] || { usage >&2; exit 64; }; binaries=$(realpath "$2"); shift ;;
        --rounds | --seconds) options+=("$1" "${2-}"); shift ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 64 ;;
        *) break ;;
    esac
    shift
done
[ -n "$binaries" ] || { usage >&2; exit 64; }

in_box() { "$root/infra/dev/box" exec "$box" "$@"; }

end() {
    local status=$?
    if [ "$status" -ne 0 ]; then in_box journalctl --no-pager -n 25 -u 'constintel*' >&2 || true; fi
    "$root/infra/dev/box" remove "$box" || true
}

box=$(mktemp -d "${TMPDIR:-/tmp}/constintel-box.XXXX")
"$root/infra/dev/box" start --net --bind "$binaries" "$box" >/dev/null || {
    status=$?
    "$root/infra/dev/box" remove "$box" 2>/dev/null || rmdir "$box"
    exit "$status"
}
trap end EXIT
say "Installing"
# What this machine has installed without systemd shows through, and is another installation.
in_box rm -rf /var/lib/constintel
in_box infra/setup-production.sh --edge http://127.0.0.1:8080 --without-tls --listen 127.0.0.1:8080 \
    --binaries "$binaries" >"$box/setup"
in_box infra/dev/neighbours.py "${options[@]}" "$@"
