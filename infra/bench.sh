#!/usr/bin/env bash
# Measures intake against two floors on the same PostgreSQL, and reading, in one run, and prints a table.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/bench/service.sh"

usage() {
    cat <<'TEXT'
Usage: infra/bench.sh [--skip-build] [--events N] [--profiles N] [--memory N]

Makes an installation in a directory of its own with one brand, sends events of 60,000 customers with e-mail and
phone, and prints how many a second are committed, beside two floors on the same server:

  copy   bare COPY into the raw event table with its indexes
  sets   resolve, insert and update in plain SQL, 500 events a transaction

Then a re-fold is timed, and profiles are read by id and by e-mail, beside a request that is refused without a look-up.

  --events N     events of each larger run (default 200000)
  --profiles N   also make N profiles, and measure beside them (for instance 1000000)
  --memory N     only send N events (for instance 5000000), and print after each tenth what memory is held
  --skip-build   use the release that was built last
TEXT
}

build=1
events=200000
profiles=
memory=
while [ $# -gt 0 ]; do
    case $1 in
        --skip-build) build= ;;
        --events) events=$2; shift ;;
        --profiles) profiles=$2; shift ;;
        --memory) memory=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done

install_packages
require_swift
build_release "$build"
start_service
# What is measured is the service, not a plan's limit.
constintel plan set unbound --from enterprise --limit eventsPerSecond=1000000 >/dev/null
constintel brand create bench --brand-plan unbound >/dev/null
key=$(constintel key create bench --name bench --output json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
socket=unix:$work/run/instances/bench.sock

sql() {
    PGPASSWORD=$(cat "$work/secrets/postgres-password") psql -qX -h "$work/run" -U constintel constintel_brands "$@"
}

floors() {
    sql -c 'create schema floor' >/dev/null
    PGOPTIONS='-c search_path=floor' sql -f "$root/Sources/Schema/tenant/current.sql" >/dev/null
    PGOPTIONS='-c search_path=floor,pg_temp' sql -v rows=100000 -v batch=500 -v copyfile="$work/postgres/floor.bin" \
        -f "$root/infra/bench/floors.sql"
}

# Runs the load and prints a row: name, events a second, share of the second floor, latencies.
measure() {
    local name=$1
    shift
    python3 "$root/infra/bench/load.py" --key "$key" --name "$name" --floor "$floor_sets" "$@"
}

# Prints what a process holds of memory now, and the most that it ever held, in megabytes.
held() { awk '/^VmRSS|^VmHWM/ { held[$1] = $2 / 1024 } END { printf "%9.0f %6.0f", held["VmRSS:"], held["VmHWM:"] }' \
    "/proc/$1/status"; }

# Sends events of ever more customers and prints after each tenth what the instance and Redis hold.
measure_memory() {
    local instance redis part
    instance=$(constintel brand show bench --output json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["instance"]["pid"])')
    redis=$(pgrep -f "redis-server.*$work" | head -n 1)
    printf '%-12s %-18s %-18s %s\n' events "instance MB (most)" "Redis MB (most)" committed/s
    for part in $(seq 0 10); do
        if [ "$part" -gt 0 ]; then
            row=$(floor_sets=1 measure part --target "$socket" --events "$((memory / 10))" --batch 1000 \
                --connections 4 --customers "$((memory * part / 100))")
        fi
        printf '%-12s %s  %s   %s\n' "$((memory * part / 10))" "$(held "$instance")" "$(held "$redis")" \
            "$(awk '{ print $2 }' <<<"${row:-}")"
    done
}

if [ -n "$memory" ]; then
    measure_memory
    exit
fi

results=$(floors)
floor_copy=$(sed -n 's/^copy //p' <<<"$results")
floor_sets=$(sed -n 's/^sets //p' <<<"$results")
printf '%-34s %9s  %6s  %10s  %8s  %8s\n' "" committed/s "of sets" accepted/s "p50 ms" "p99 ms"
printf '%-34s %9s\n' "floor: COPY" "$floor_copy"
printf '%-34s %9s  %6s\n' "floor: sets in plain SQL, 500" "$floor_sets" 1.00
measure "batches of 1,000, socket" --target "$socket" --events "$events" --batch 1000 --connections 4
measure "batches of 1,000, edge" --target "$edge" --events "$events" --batch 1000 --connections 4
measure "batches of 100, socket" --target "$socket" --events "$events" --batch 100 --connections 8
measure "batches of 100, edge" --target "$edge" --events "$events" --batch 100 --connections 8
measure "single events, socket" --target "$socket" --events "$((events / 10))" --batch 1 --connections 32
measure "single events, edge" --target "$edge" --events "$((events / 10))" --batch 1 --connections 32
measure "2 % of events join two profiles" --target "$socket" --events "$events" --batch 1000 --connections 4 --ties 0.02
refold() {
    local begun folded
    begun=$(date +%s%N)
    folded=$(constintel brand refold bench --plan --output json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["events"])')
    printf '%-34s %9s\n' "re-fold, compared" "$((folded * 1000 / (($(date +%s%N) - begun) / 1000000)))"
}
if [ -n "$profiles" ]; then
    small="--target $socket --events $events --batch 1000 --connections 4 --customers 10000"
    # shellcheck disable=SC2086
    measure "10,000 customers" $small
    measure "making $profiles profiles" --target "$socket" --events "$profiles" --batch 1000 --connections 4 --everyone
    measure "all of $profiles customers" --target "$socket" --events "$events" --batch 1000 --connections 4 \
        --customers "$profiles"
fi
refold
printf '\n'
PYTHONDONTWRITEBYTECODE=1 python3 "$root/infra/bench/reads.py" --key "$key" --target "$socket"
