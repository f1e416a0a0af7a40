# What the scripts of this folder share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The user that everything runs as when a script is started by root: servers refuse to be root.
service_user=constintel

say() { printf '%s\n' "$*"; }

# Ends the script with one sentence for the person who ran it.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command with the rights to install packages and make users.
as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root's rights are needed for '$*', and there is no sudo; run this script as root once"
    fi
}

# Becomes a command, as the service's user when we are root, otherwise as ourselves. `env -i` keeps what root
# has in its environment from a process that is not root's. With `&` behind it, `$!` is the command itself.
exec_as_service() {
    if is_root; then
        exec setpriv --reuid="$service_user" --regid="$service_user" --init-groups \
            env -i PATH="$PATH" HOME="$CONSTINTEL_HOME" LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
    else
        exec env "$@"
    fi
}

as_service() { (exec_as_service "$@"); }

packages=(
    libpq-dev libssl-dev libsystemd-dev libhiredis-dev libcsv-dev libphonenumber-dev zlib1g-dev
    libarchive-dev restic postgresql redis-server nginx-light ca-certificates util-linux
)
# For the data of the demonstration and of the benchmarks.
needs_pip=1

# Installs the Debian packages that are missing. Their services are neither started nor left to start at the
# next boot: ConstIntel runs its own.
install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' \
            || missing+=("$package")
    done
    if [ -n "$needs_pip" ]; then python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip); fi
    [ ${#missing[@]} -eq 0 ] && return
    say "Installing from Debian: ${missing[*]}"
    remember_services
    forbid_service_starts
    {
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}"
    } >/dev/null || die "the packages could not be installed; is there a network? Try: apt-get install ${missing[*]}"
    allow_service_starts
    disable_new_services
}

# policy-rc.d is what Debian's packages ask before they start a service. Ours bears a mark, so that one which a
# killed run has left behind is taken away by the next.
forbid_service_starts() {
    if [ -e /usr/sbin/policy-rc.d ] && ! grep -q '^# constintel$' /usr/sbin/policy-rc.d; then return; fi
    printf '#!/bin/sh\n# constintel\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    trap allow_service_starts EXIT
}

allow_service_starts() {
    if [ -e /usr/sbin/policy-rc.d ] && grep -q '^# constintel$' /usr/sbin/policy-rc.d; then
        as_root rm -f /usr/sbin/policy-rc.d
    fi
}

services=(postgresql.service redis-server.service nginx.service)
found_services=()

# Notes which of the distribution's services run, or will at the next boot: those are somebody's.
remember_services() {
    [ -d /run/systemd/system ] || return 0
    local service
    for service in "${services[@]}"; do
        if systemctl is-active --quiet "$service" || systemctl is-enabled --quiet "$service" 2>/dev/null; then
            found_services+=("$service")
        fi
    done
}

disable_new_services() {
    [ -d /run/systemd/system ] || return 0
    local service
    for service in "${services[@]}"; do
        case " ${found_services[*]:-} " in *" $service "*) continue ;; esac
        as_root systemctl disable --quiet --now "$service" 2>/dev/null || true
    done
}

require_swift() {
    command -v swift >/dev/null || die "there is no Swift toolchain on the PATH; install Swift 6.3 from swift.org"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    [ "$(printf '%s\n6.3\n' "$version" | sort -V | head -n 1)" = 6.3 ] \
        || die "Swift $version is too old; 6.3 or later is needed"
}

make_service_user() {
    is_root || return 0
    getent passwd "$service_user" >/dev/null && return
    say "Making the system user $service_user"
    useradd --system --user-group --home-dir /var/lib/constintel --no-create-home --shell /usr/sbin/nologin \
        "$service_user"
}

# Makes a directory for the service's user alone. One that is there already must be empty or marked as ours:
# a mistyped path must not take somebody's directory away from them.
claim_directory() {
    if [ -d "$1" ] && [ ! -e "$1/.constintel" ] && [ -n "$(ls -A "$1")" ]; then
        die "$1 has files that are not ConstIntel's; choose an empty or a new directory"
    fi
    mkdir -p "$1"
    if is_root; then chown "$service_user:$service_user" "$1"; fi
    chmod 700 "$1"
    as_service touch "$1/.constintel"
}

# Installs programs where root runs them from too: they belong to root, not to the service's user.
install_programs() {
    local directory=$1
    shift
    mkdir -p "$directory"
    if is_root; then chown root:root "$directory"; fi
    chmod 755 "$directory"
    install -m 755 "$@" "$directory/"
}
