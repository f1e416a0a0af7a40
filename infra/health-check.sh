#!/usr/bin/env bash
# Says whether everything works, for people and for monitoring.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/constintel.sh"

usage() {
    cat <<'TEXT'
Usage: infra/health-check.sh [--days N]

Shows the service's status, and what is wrong: units that have failed or do not run, operations that are stuck,
brands in quarantine, what 'constintel check' finds to have failed, a certificate that ends within N days
(default: 14). Status 1 when there is something.
TEXT
}

days=14
while [ $# -gt 0 ]; do
    case $1 in
        --days) [[ ${2-} =~ ^[0-9]+$ ]] || { usage >&2; exit 64; }; days=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done

wrong=0
complain() {
    say "WRONG  $*"
    wrong=1
}

# Units of an installation with systemd; elsewhere there are none.
check_units() {
    [ -e /etc/systemd/system/constinteld.service ] && [ -d /run/systemd/system ] || return 0
    local unit
    for unit in constinteld.service constintel-redis.service constintel-edge.service; do
        systemctl is-active --quiet "$unit" || complain "$unit is $(systemctl is-active "$unit" || true)"
    done
    while read -r unit; do
        [ -z "$unit" ] || complain "$unit has failed; see: journalctl -u $unit"
    done < <(systemctl list-units --state=failed --no-legend --plain 'constintel*' 'postgresql@*' | cut -d ' ' -f 1)
}

check_certificate() {
    local settings=/etc/constintel/nginx/http.d/tls.conf certificate
    [ -r "$settings" ] || return 0
    certificate=$(sed -n 's/^ssl_certificate "\(.*\)";$/\1/p' "$settings")
    openssl x509 -in "$certificate" -noout -checkend "$((days * 86400))" >/dev/null 2>&1 \
        || complain "$certificate is unreadable or ends within $days days"
}

if status=$(constintel status); then
    say "$status"
    if grep -Eq '^(stuck|quarantined) ' <<<"$status"; then complain "brands need somebody; see the lines above"; fi
    findings=$(constintel check) || {
        say "$findings"
        complain "not everything works; see the lines above and runbooks/check.md"
    }
else
    complain "constinteld does not answer"
fi
check_units
check_certificate
exit "$wrong"
