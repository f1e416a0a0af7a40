#!/usr/bin/env bash
# Sets up what the tests need and runs them, in a directory of their own, never as root.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/test.sh [--skip-build] [--soak] [--systemd | FILTER]

Builds everything and runs the tests against a private PostgreSQL and Redis. FILTER is a regular expression
of test names.

  --skip-build   run what was built last
  --soak         the faults for hours: millions of events, hundreds of kills; made-up input for half an hour
  --systemd      only what needs a systemd, in boxes of their own; without root there is none
TEXT
}

build=1
soak=
only_systemd=
filter=
for argument in "$@"; do
    case $argument in
        --skip-build) build= ;;
        --soak) soak=1 ;;
        --systemd) only_systemd=1 ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 64 ;;
        *) filter=$argument ;;
    esac
done

# Starts one server in the background as the service's user, in a session of its own.
start_server() {
    local name=$1
    shift
    exec_as_service setsid "$@" >"$work/$name.log" 2>&1 </dev/null &
    servers+=($!)
}

start_servers() {
    local postgres
    postgres=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    password=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
    printf '%s' "$password" >"$work/password"
    chmod 644 "$work/password"
    as_service "$postgres/initdb" -D "$work/postgres" -U tester --pwfile="$work/password" --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$work/initdb.log" || die "initdb failed; see $work/initdb.log"
    start_server postgres "$postgres/postgres" -D "$work/postgres" -c listen_addresses= -c max_connections=300 \
        -c unix_socket_directories="$work"
    start_server redis redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work/redis" \
        --appendonly yes --appendfsync always
    local tries
    for tries in $(seq 200); do
        [ -S "$work/redis.sock" ] && PGPASSWORD=$password psql -qh "$work" -U tester -c 'select 1' postgres \
            >/dev/null 2>&1 && return
        sleep 0.1
    done
    die "the servers for the tests did not start; see $work/*.log"
}

# The tests that need a systemd, in a box of their own; without root there is none.
test_systemd() {
    if ! is_root; then
        say "Skipped: the tests with systemd, which need root"
        return
    fi
    say "Testing with systemd"
    "$root/infra/dev/units.sh"
    box=$(mktemp -d "${TMPDIR:-/tmp}/constintel-box.XXXX")
    "$root/infra/dev/box" start --net --bind "$work" "$box" >/dev/null
    # The servers of the tests are outside of the box. Through its layers their sockets are seen, not reached.
    "$root/infra/dev/box" exec "$box" env CONSTINTEL_TEST_SYSTEMD=1 CONSTINTEL_TEST_DIRECTORY="$work" \
        "${environment[@]}" "$work/bin/constintelPackageTests.xctest" --testing-library swift-testing \
        --no-parallel --filter RealSystemd
    "$root/infra/dev/box" remove "$box"
    box=
    say "Trying what the units forbid"
    "$root/infra/dev/probe.sh" >"$work/probe.log" || {
        grep -Ev '^(refused|by design)' "$work/probe.log" >&2 || true
        die "a unit allows what it must not; see $work/probe.log"
    }
    grep -E '^(instance|daemon)' "$work/probe.log"
    say "Living through what happens under systemd"
    "$root/infra/dev/journey.sh" ${soak:+--soak} --binaries "$work/bin"
}

# Ends what was started here and takes the directory away.
clean_up() {
    local status=$? server
    if [ -n "${box:-}" ]; then "$root/infra/dev/box" remove "$box" || true; fi
    for server in "${servers[@]:-}"; do
        if [ -n "$server" ]; then kill -INT "$server" 2>/dev/null || true; fi
    done
    wait
    if [ "$status" -eq 0 ]; then rm -rf "$work"; else say "What the tests left is in $work"; fi
}

servers=()
# For promtool, which judges what /metrics answers, and for the shop whose visitors use a real browser.
packages+=(prometheus chromium)
install_packages

# Fetches schemathesis, which tries both planes by their documents, playwright, which drives Chromium, and moto, which
# serves buckets as Amazon does, as far as the filter needs them; without a network those tests are skipped.
install_from_pypi() {
    local wanted=()
    if [[ "Contract ContractJourney" =~ ${filter:-.} ]]; then wanted+=(schemathesis==4.32.5); fi
    if [[ "Tracker TrackerJourney" =~ ${filter:-.} ]]; then wanted+=(playwright==1.65.2); fi
    if [[ "S3RepositoryTests" =~ ${filter:-.} ]]; then wanted+=('moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5); fi
    if [ ${#wanted[@]} -eq 0 ]; then return; fi
    say "Fetching ${wanted[*]} (PyPI)"
    if python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --target "$work/python" "${wanted[@]}"; then
        chmod -R a+rX "$work/python"
    else
        rm -rf "$work/python"
        say "Skipped: the tests with ${wanted[*]}, which could not be fetched; is there a network?"
    fi
}

# Fetches what sends to a brand as it is: the SDKs of Segment and RudderStack, and a client of the tus protocol.
install_sdks() {
    say "Fetching the SDKs of Segment and RudderStack, and tuspy (PyPI)"
    if python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --target "$work/sdks" segment-analytics-python==2.4.0 rudder-sdk-python==2.1.9 tuspy==1.1.0; then
        chmod -R a+rX "$work/sdks"
    else
        rm -rf "$work/sdks"
        say "Skipped: the tests with these, which could not be fetched; is there a network?"
    fi
}

require_swift
if [ -n "$build" ]; then
    say "Building"
    swift build --package-path "$root" --build-tests
fi
built=$(swift build --package-path "$root" --show-bin-path)

if is_root; then parent=/var/lib; else parent=${XDG_STATE_HOME:-$HOME/.local/state}; fi
mkdir -p "$parent"
work=$(mktemp -d "$parent/ci-test.XXXX")
CONSTINTEL_HOME=$work
make_service_user
claim_directory "$work"
trap clean_up EXIT
trap 'exit 130' INT TERM

install_programs "$work/bin" "$built/constinteld" "$built/constintel-instance" "$built/constintel" \
    "$built/constintelPackageTests.xctest"
mkdir "$work/checkout"
cp -R "$root/Sources" "$root/Tests" "$root/runbooks" "$root/templates" "$work/checkout/"
as_service mkdir "$work/tmp" "$work/redis"
chmod -R a+rX "$work/checkout"
start_servers
if [ -z "$only_systemd" ]; then
    install_from_pypi
    if [[ "Segment SegmentJourney UploadJourney" =~ ${filter:-.} ]]; then install_sdks; fi
fi

cd "$work"
environment=(
    CONSTINTEL_TEST_BINARIES="$work/bin" CONSTINTEL_TEST_CHECKOUT="$work/checkout"
    CONSTINTEL_TEST_TEMPLATES="$work/checkout/templates" CONSTINTEL_TEST_POSTGRES_HOST="$work"
    CONSTINTEL_TEST_POSTGRES_USER=tester CONSTINTEL_TEST_POSTGRES_PASSWORD="$password"
    CONSTINTEL_TEST_REDIS_SOCKET="$work/redis.sock" ${soak:+CONSTINTEL_TEST_SOAK=1}
    CONSTINTEL_TEST_PYTHON="$work/python" CONSTINTEL_TEST_SDKS="$work/sdks"
)
if [ -z "$only_systemd" ]; then
    say "Testing"
    as_service TMPDIR="$work/tmp" CONSTINTEL_TEST_DIRECTORY="$work" "${environment[@]}" \
        "$work/bin/constintelPackageTests.xctest" --testing-library swift-testing \
        --experimental-maximum-parallelization-width 4 ${filter:+--filter "$filter"}
fi
if [ -z "$filter$only_systemd" ]; then
    # A minute of made-up input; in a soak half an hour.
    "$root/infra/dev/fuzz.sh" "$(if [ -n "$soak" ]; then echo 600; else echo 20; fi)"
fi
if [ -z "$filter" ]; then test_systemd; fi
