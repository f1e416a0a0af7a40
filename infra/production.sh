# What the scripts share that install on a machine with systemd. Sourced after lib.sh, not run.

programs=/usr/lib/constintel
configuration=/etc/constintel
state=/var/lib/constintel

step() { say "== $*"; }

require_systemd() {
    is_root || die "root's rights are needed: it installs units, users and packages"
    [ -d /run/systemd/system ] || die "this machine does not run systemd; infra/run.sh goes without"
}

# Writes standard input to a file, whole or not at all; true when that changed it.
put() {
    local file=$1 mode=$2 owner=${3:-root:root}
    mkdir -p "$(dirname "$file")"
    cat >"$file.new"
    chown "$owner" "$file.new"
    chmod "$mode" "$file.new"
    if cmp -s "$file.new" "$file"; then
        chown "$owner" "$file"
        chmod "$mode" "$file"
        rm "$file.new"
        return 1
    fi
    mv -T "$file.new" "$file"
    say "   wrote $file"
}

# Fills in a template: render FILE name=value…
render() {
    local file=$1 expressions=() pair value
    shift
    for pair in "$@"; do
        value=$(printf '%s' "${pair#*=}" | sed 's/[\\&|]/\\&/g')
        expressions+=(-e "s|{{${pair%%=*}}}|$value|g")
    done
    sed "${expressions[@]}" "$file"
}

# Builds the three programs, unless a directory with them is given; sets `binaries`.
find_binaries() {
    binaries=$1
    if [ -z "$binaries" ]; then
        require_swift
        step "Building the release"
        local product
        for product in constinteld constintel-instance constintel; do
            swift build --package-path "$root" -c release --static-swift-stdlib --product "$product" \
                || die "the build failed; its messages are above"
        done
        binaries=$(swift build --package-path "$root" -c release --static-swift-stdlib --show-bin-path)
    fi
    local program
    for program in constinteld constintel-instance constintel; do
        [ -x "$binaries/$program" ] || die "there is no program $binaries/$program"
    done
}

# Puts a release into a directory of its own. One that is there already stays, unless it is another under the same
# name: what runs must not change under its feet.
install_release() {
    local name=$1 directory=$programs/releases/$1 program
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$ ]] || die "'$name' is no name for a release"
    if [ -d "$directory" ]; then
        for program in constinteld constintel-instance constintel; do
            cmp -s "$binaries/$program" "$directory/$program" \
                || die "there is another release $name in $directory; give this one a name of its own with --release"
        done
        return
    fi
    step "Installing the release $name in $directory"
    rm -rf "$directory.new"
    mkdir -p "$directory.new"
    install -m 755 "$binaries/constinteld" "$binaries/constintel-instance" "$binaries/constintel" "$directory.new/"
    cp -R "$root/templates" "$directory.new/templates"
    cp -R "$root/runbooks" "$directory.new/runbooks"
    chown -R root:root "$directory.new"
    chmod -R u=rwX,go=rX "$directory.new"
    mv -T "$directory.new" "$directory"
}

# The release that starts next; in one step, so that there is always one.
switch_release() {
    ln -sfn "releases/$1" "$programs/current.new"
    mv -T "$programs/current.new" "$programs/current"
}

current_release() { basename "$(readlink "$programs/current" 2>/dev/null)"; }

# Installs units, users and directories of the release that is current.
install_units() {
    local source=$programs/current/templates/systemd file changed=
    for file in "$source"/*.{service,socket,slice,timer,path}; do
        if put "/etc/systemd/system/${file##*/}" 644 <"$file"; then changed=1; fi
    done
    put /usr/lib/sysusers.d/constintel.conf 644 <"$source/constintel.sysusers.conf" || true
    put /usr/lib/tmpfiles.d/constintel.conf 644 <"$source/constintel.tmpfiles.conf" || true
    systemd-sysusers constintel.conf
    systemd-tmpfiles --create constintel.conf
    [ -z "$changed" ] || systemctl daemon-reload
}

# Starts constinteld anew and returns when it serves; 1 when it keeps ending, or after two minutes.
restart_daemon() {
    local tries
    systemctl stop constinteld.service
    systemctl reset-failed constinteld.service 2>/dev/null || true
    systemctl start --no-block constinteld.service
    for ((tries = 0; tries < 60; tries++)); do
        CONSTINTEL_HOME=$state "$programs/current/constintel" wait --timeout 2 >/dev/null 2>&1 && return
        [ "$(systemctl show --value -p NRestarts constinteld.service)" -lt 4 ] || return 1
    done
    return 1
}
