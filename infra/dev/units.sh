#!/usr/bin/env bash
# Checks the units without starting them: that systemd understands them, and how exposed each would be.
set -euo pipefail
# shellcheck source=infra/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/dev/units.sh

Has systemd-analyze verify every unit of templates/systemd, and compares each service's exposure, from 0 to 10, with
what it may be. Prints the figures; status 1 when one is too high. It needs neither root nor a running systemd.
TEXT
}

case ${1-} in "") ;; -h | --help) usage; exit 0 ;; *) usage >&2; exit 64 ;; esac
command -v systemd-analyze >/dev/null || die "there is no systemd-analyze; install systemd"
cd "$root/templates/systemd"
status=0

# What is installed later is not here yet. Nothing else may be said.
said=$(systemd-analyze verify --man=no -- *.service *.socket *.slice *.timer *.path 2>&1 |
    grep -v 'Command .* is not executable: No such file or directory$' || true)
if [ -n "$said" ]; then
    say "$said"
    status=1
fi

# In tenths, as --threshold takes it.
while read -r unit most; do
    exposure=$(systemd-analyze security --offline=true --no-pager --threshold="$most" "$unit" 2>/dev/null) || status=1
    say "$unit: $(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\) .*/\1/p' <<<"$exposure"), at most \
$((most / 10)).$((most % 10))"
done <<'TEXT'
constintel-instance@.service 8
constinteld.service 30
constintel-job@.service 10
constintel-redis.service 10
constintel-edge.service 30
TEXT
exit "$status"
