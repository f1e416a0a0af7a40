#!/usr/bin/env bash
# From a fresh Debian 12 with a Swift 6.3 toolchain to a live brand with a real order history in it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/run.sh [--once] [--no-demo-data]

Installs what is missing, builds, and runs ConstIntel until Ctrl-C: its own PostgreSQL, Redis and nginx, the
control plane, and the brand "demo" with the CDNOW order history. Run again, it goes on where it was.

  --once           stop after the totals are shown
  --no-demo-data   leave the brand "demo" empty

  CONSTINTEL_HOME  where everything is kept (default: /var/lib/constintel for root, otherwise
                   ${XDG_STATE_HOME:-~/.local/state}/constintel)
  CONSTINTEL_EDGE  the address to serve on (default: 127.0.0.1:8080)
TEXT
}

once=
demo_data=1
for argument in "$@"; do
    case $argument in
        --once) once=1 ;;
        --no-demo-data) demo_data= ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done

if is_root; then default_home=/var/lib/constintel; else
    default_home=${XDG_STATE_HOME:-$HOME/.local/state}/constintel
fi
CONSTINTEL_HOME=$(realpath -m "${CONSTINTEL_HOME:-$default_home}")
CONSTINTEL_EDGE=${CONSTINTEL_EDGE:-127.0.0.1:8080}
export CONSTINTEL_HOME CONSTINTEL_EDGE
log=$CONSTINTEL_HOME/log/constinteld.log
daemon=

# Says who holds the state directory, before anything is built or installed for nothing.
refuse_second_run() {
    [ -e "$CONSTINTEL_HOME/lock" ] || return 0
    flock --nonblock "$CONSTINTEL_HOME/lock" true \
        || die "$CONSTINTEL_HOME is held by process $(cat "$CONSTINTEL_HOME/lock"); stop that one first, or set \
CONSTINTEL_HOME to another directory"
}

build() {
    say "Building (the first time takes some minutes)"
    local product
    for product in constinteld constintel-instance constintel; do
        swift build --package-path "$root" -c release --static-swift-stdlib --product "$product" \
            || die "the build failed; its messages are above"
    done
    binaries=$(swift build --package-path "$root" -c release --static-swift-stdlib --show-bin-path)
}

# The service's user may not be allowed to read the checkout, so what runs is installed elsewhere: for root, whose
# command line it is too, outside of the directory that belongs to the service.
install_release() {
    make_service_user
    claim_directory "$CONSTINTEL_HOME"
    as_service mkdir -p "$CONSTINTEL_HOME/log" "$CONSTINTEL_HOME/data"
    if is_root; then release=/usr/local/lib/constintel; else release=$CONSTINTEL_HOME/release; fi
    install_programs "$release/bin" "$binaries/constinteld" "$binaries/constintel-instance" "$binaries/constintel"
    rm -rf "$release/templates"
    cp -R "$root/templates" "$release/templates"
    chmod -R u=rwX,go=rX "$release"
}

constintel() { "$release/bin/constintel" "$@"; }

start_daemon() {
    # Opened by the service's user: in a directory of its own, root would follow whatever link lies there.
    as_service touch "$log"
    log_start=$(($(stat -c %s "$log") + 1))
    exec_as_service CONSTINTEL_HOME="$CONSTINTEL_HOME" CONSTINTEL_EDGE="$CONSTINTEL_EDGE" \
        sh -c 'exec "$1/bin/constinteld" --embedded --templates "$1/templates" >>"$2" 2>&1 </dev/null' \
        constinteld "$release" "$log" &
    daemon=$!
    say "Starting (log: $log)"
    "$release/bin/constintel" wait --timeout 120 >/dev/null &
    local waiter=$!
    wait -n "$daemon" "$waiter" || true
    if ! kill -0 "$daemon" 2>/dev/null; then
        kill "$waiter" 2>/dev/null || true
        tail -c "+$log_start" "$log" | grep '^constinteld: ' >&2 || tail -n 3 "$log" >&2
        die "constinteld did not start; the reason is above, and more is in $log"
    fi
    wait "$waiter" || die "constinteld is not ready after two minutes; see $log"
}

stop_daemon() {
    [ -n "$daemon" ] || return 0
    kill -TERM "$daemon" 2>/dev/null || true
    while kill -0 "$daemon" 2>/dev/null; do wait "$daemon" 2>/dev/null || true; done
    daemon=
}

# Fetches the CDNOW order history and checks that it is the one that the totals belong to.
fetch_demo_data() {
    data=$CONSTINTEL_HOME/data/CDNOW_master.txt
    local sum=eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef
    if [ -e "$data" ] && echo "$sum  $data" | sha256sum --check --status; then return; fi
    say "Fetching the CDNOW order history (PyPI: Lifetimes 0.11.3)"
    local wheels
    wheels=$(mktemp -d)
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$wheels" Lifetimes==0.11.3; then
        rm -rf "$wheels"
        die "the order history could not be fetched; is there a network? '--no-demo-data' goes without it"
    fi
    python3 -c '
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    sys.stdout.buffer.write(wheel.read("lifetimes/datasets/CDNOW_master.txt"))' "$wheels"/*.whl |
        as_service sh -c 'cat >"$1"' cat "$data"
    rm -rf "$wheels"
    echo "$sum  $data" | sha256sum --check --status || die "the order history is not the file that was expected"
}

# The first admin, the brand and a key: each made once, and its secret shown once.
set_up() {
    admin=$(constintel user list --limit 200 --output json | grep -o '"email":"admin@[^"]*"' || true)
    if [ -z "$admin" ]; then
        say ""
        constintel user create admin@constintel.local --role admin
    fi
    constintel platform rotate-recovery-passphrase --if-absent
    constintel brand create demo --if-absent --name "CDNOW" --industry music --country US --currency USD \
        --brand-plan enterprise
    if ! constintel key list demo --limit 200 --output json | grep -q '"name":"quickstart"'; then
        say ""
        constintel key create demo --name quickstart
    fi
}

import_demo_data() {
    fetch_demo_data
    say ""
    constintel events import "$data" --brand demo --source cdnow --type purchase --channel web \
        --delimiter whitespace --date-format yyyyMMdd --map loyalty_id=customer_id --map occurredAt=date \
        --map quantity=number_of_cds --map total=dollar_value
}

show_way() {
    say ""
    constintel brand stats demo
    cat <<TEXT

The edge         http://$CONSTINTEL_EDGE
The command line $release/bin/constintel --help
Try it           curl -H "Authorization: Bearer \$KEY" http://$CONSTINTEL_EDGE/api/monitoring/stats
TEXT
}

refuse_second_run
install_packages
require_swift
build
install_release
trap stop_daemon EXIT
trap 'exit 130' INT TERM
start_daemon
set_up
if [ -n "$demo_data" ]; then import_demo_data; fi
show_way
if [ -n "$once" ]; then exit 0; fi
say "Running until Ctrl-C."
wait "$daemon" || die "constinteld ended; see $log"
