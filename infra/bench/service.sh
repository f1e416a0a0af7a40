# What the benchmarks share: the release, in an installation of its own. Sourced after lib.sh, not run.

# Builds the release, unless the argument is empty, and sets `binaries`.
build_release() {
    local release=(-c release --static-swift-stdlib) product
    if [ -n "$1" ]; then
        say "Building"
        for product in constinteld constintel-instance constintel; do
            swift build --package-path "$root" "${release[@]}" --product "$product" >/dev/null \
                || die "the build failed"
        done
    fi
    binaries=$(swift build --package-path "$root" "${release[@]}" --show-bin-path)
}

clean_up() {
    [ -z "${daemon:-}" ] || kill -TERM "$daemon" 2>/dev/null || true
    wait "${daemon:-}" 2>/dev/null || true
    rm -rf "$work"
}

# Installs the release in a directory of its own and starts it; sets `work`, `edge` and `daemon`. All of it is
# gone when the script ends.
start_service() {
    local parent
    if is_root; then parent=/var/lib; else parent=${XDG_STATE_HOME:-$HOME/.local/state}; fi
    mkdir -p "$parent"
    work=$(mktemp -d "$parent/ci-bench.XXXX")
    trap clean_up EXIT
    CONSTINTEL_HOME=$work
    make_service_user
    claim_directory "$work"
    install_programs "$work/bin" "$binaries/constinteld" "$binaries/constintel-instance" "$binaries/constintel"
    cp -R "$root/templates" "$work/templates"
    chmod -R a+rX "$work/templates"
    edge=127.0.0.1:$(python3 -c \
        'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    exec_as_service CONSTINTEL_HOME="$work" CONSTINTEL_EDGE="$edge" "$work/bin/constinteld" --embedded \
        --templates "$work/templates" >"$work/constinteld.log" 2>&1 </dev/null &
    daemon=$!
    constintel wait --timeout 120 >/dev/null || die "constinteld is not ready: $(tail -n 3 "$work/constinteld.log")"
}

constintel() { CONSTINTEL_HOME=$work "$work/bin/constintel" "$@"; }
