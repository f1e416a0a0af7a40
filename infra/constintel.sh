# Finds the command line for the scripts that call it. Sourced after lib.sh, not run.

# The installed one, or the one that was built here last.
constintel() {
    local program
    for program in constintel /usr/lib/constintel/current/constintel /usr/local/lib/constintel/bin/constintel \
        "$root/.build/release/constintel" "$root/.build/debug/constintel"; do
        if type -P "$program" >/dev/null; then "$(type -P "$program")" "$@"; return; fi
    done
    die "there is no constintel on this machine; install one with infra/setup-production.sh or infra/run.sh"
}
