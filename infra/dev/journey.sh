#!/usr/bin/env bash
# Installs in a box as a customer would, and has happen to it what happens in production.
set -euo pipefail
# shellcheck source=infra/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/dev/journey.sh --binaries DIR [--soak] [STAGE]...

Boots a box, installs the programs of DIR in it with infra/setup-production.sh, twice, and runs the stages of
infra/dev/journey.py: brands that fall asleep and are woken, restarts, releases and their taking back under
load, daemons that take over, a process that hangs, backups and restores, a power cut, a purge. Prints the figures;
status 1 at the first thing that is not as it must be, with its reason and the end of the journals.

  --soak     more rounds of each
  STAGE      only these, after the brands are made
TEXT
}

before_cut=(sleep race-sleep change-releases change-daemons hand-over hang backups wake-times taken-number before-cut)
after_cut=(after-cut purge)

binaries=
soak=
stages=()
while [ $# -gt 0 ]; do
    case $1 in
        --binaries) [ -d "${2-}" ] || { usage >&2; exit 64; }; binaries=$(realpath "$2"); shift ;;
        --soak) soak=1 ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 64 ;;
        *) stages+=("$1") ;;
    esac
    shift
done
[ -n "$binaries" ] || { usage >&2; exit 64; }

in_box() { "$root/infra/dev/box" exec "$box" env ${soak:+CONSTINTEL_TEST_SOAK=1} "$@"; }

end() {
    local status=$?
    if [ "$status" -ne 0 ]; then
        in_box journalctl --no-pager -n 25 -u 'constintel*' >&2 || true
        say "The journey did not end well; its reason is above the journal." >&2
    fi
    "$root/infra/dev/box" remove "$box" || true
}

set_up() {
    in_box infra/setup-production.sh --edge http://127.0.0.1:8080 --without-tls --listen 127.0.0.1:8080 \
        --binaries "$binaries"
}

# A debug build does not bring the Swift runtime with it, as a release does. It may load it from where it is.
allow_swift() {
    local libraries unit
    libraries=$(ldd "$binaries/constinteld" | sed -n 's|.* => \(/.*\)/libswiftCore.so .*|\1|p')
    [ -n "$libraries" ] || return 0
    for unit in constinteld standby constintel-instance@ constintel-job@; do
        printf '[Service]\nBindReadOnlyPaths=%s\nExecPaths=+%s\n' "$libraries" "$libraries" |
            in_box install -D -m 644 /dev/stdin "/etc/systemd/system/$unit.service.d/90-debug.conf"
    done
    in_box systemctl daemon-reload
}

daemon() { in_box systemctl show --value -p MainPID constinteld.service; }

box=$(mktemp -d "${TMPDIR:-/tmp}/constintel-box.XXXX")
"$root/infra/dev/box" start --net "$box" >/dev/null || {
    status=$?
    "$root/infra/dev/box" remove "$box" 2>/dev/null || rmdir "$box"
    exit "$status"
}
trap end EXIT
allow_swift
say "   install"
# What this machine has installed without systemd shows through, and is another installation.
in_box rm -rf /var/lib/constintel
set_up >"$box/setup"
first=$(daemon)
set_up >"$box/again"
if grep -E '^   (wrote|made)|^== (Installing|Switching)' "$box/again"; then
    die "that is what a second installation has changed"
fi
[ "$(daemon)" = "$first" ] || die "a second installation has started constinteld anew"
in_box infra/dev/journey.py make-brands
if [ ${#stages[@]} -gt 0 ]; then
    in_box infra/dev/journey.py "${stages[@]}"
    exit
fi
in_box infra/dev/journey.py "${before_cut[@]}"
"$root/infra/dev/box" reboot --cut "$box" >/dev/null
in_box infra/dev/journey.py "${after_cut[@]}"
