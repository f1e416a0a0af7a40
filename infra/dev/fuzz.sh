#!/usr/bin/env bash
# Throws made-up input at what reads events, Segment's messages and files, and says what it has found.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/dev/fuzz.sh [SECONDS [DIRECTORY]]

Runs each of the fuzzers in Tests/Fuzzing for SECONDS (20 by default), from its seeds and what earlier runs have
found worth keeping in DIRECTORY (a temporary one by default). An input that breaks something is left there as
crash-…; put it among the seeds once it is mended.
TEXT
}

case ${1:-} in
    -h | --help) usage; exit 0 ;;
    *[!0-9]*) usage >&2; exit 64 ;;
esac
seconds=${1:-20}
require_swift
work=${2:-}
if [ -z "$work" ]; then
    work=$(mktemp -d "${TMPDIR:-/tmp}/constintel-fuzz.XXXX")
    trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work/built"

# Compiles a module with the fuzzer's counters in it, so that it learns which input leads somewhere new.
compile() {
    local module=$1
    shift
    say "Compiling $module"
    swiftc -O -wmo -sanitize=fuzzer -parse-as-library -enable-testing -package-name constintel -swift-version 6 \
        -I "$work/built" -I "$root/Sources/C/COpenSSL" -I "$root/Sources/C/CCsv" -module-name "$module" \
        -emit-module -emit-module-path "$work/built/$module.swiftmodule" -c -o "$work/built/$module.o" "$@"
}

# What of a room reads input; the rest of it needs servers.
events=("$root"/Sources/Events/{Event,Purchase,OrderAdjustment,ConsentStatement}.swift
    "$root"/Sources/Events/{JSON,Catalogue}/*.swift "$root"/Sources/Events/Intake/{EventReader,EventEnvelope,SenderClock}.swift)
integrations=("$root"/Sources/Integrations/Segment/*.swift
    "$root"/Sources/Integrations/CSV/RateFile.swift
    "$root"/Sources/Integrations/CSV/{Format,Rows}/*.swift)

rooms=(Kernel Contract Sealing)
for room in "${rooms[@]}"; do
    mapfile -t files < <(find "$root/Sources/$room" -name '*.swift')
    compile "$room" "${files[@]}"
done
compile Events "${events[@]}"
compile Integrations "${integrations[@]}"
objects=("$work"/built/{Kernel,Contract,Sealing,Events,Integrations}.o)

failed=0
for fuzzer in Event Segment File; do
    name=${fuzzer,,}
    swiftc -O -sanitize=fuzzer -parse-as-library -package-name constintel -swift-version 6 \
        -I "$work/built" -I "$root/Sources/C/COpenSSL" -I "$root/Sources/C/CCsv" -module-name "${fuzzer}Fuzzer" \
        -o "$work/built/$name" "$root/Tests/Fuzzing/${fuzzer}Fuzzer.swift" "${objects[@]}" -lcrypto -lcsv
    mkdir -p "$work/$name"
    say "Fuzzing: $name, $seconds s"
    if "$work/built/$name" "$work/$name" "$root/Tests/Fuzzing/seeds/$name" -max_total_time="$seconds" -timeout=10 \
        -max_len=8192 -artifact_prefix="$work/" -print_final_stats=1 >"$work/$name.log" 2>&1; then
        awk -v name="$name" '/number_of_executed_units/ { print name ": " $2 " inputs tried, no crash" }' \
            "$work/$name.log"
    else
        tail -n 30 "$work/$name.log" >&2
        failed=1
    fi
done
if [ "$failed" -ne 0 ]; then
    trap - EXIT
    die "an input breaks something; it is in $work"
fi
