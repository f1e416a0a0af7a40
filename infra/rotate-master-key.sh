#!/usr/bin/env bash
# Rotates the master key where systemd delivers it as a credential: two keys at once, then one. What was
# interrupted goes on: how far it has come is in the file's length. See runbooks/key-rotation.md.
set -euo pipefail

case ${1:-} in
-h | --help)
    echo "usage: infra/rotate-master-key.sh"
    echo
    echo "Seals every secret of this installation under a new master key. Brands serve on; constinteld is"
    echo "restarted twice. Run it again when it was interrupted."
    exit 0
    ;;
"") ;;
*)
    echo "infra/rotate-master-key.sh: '$1' is no argument of it; see --help" >&2
    exit 64
    ;;
esac

credential=/etc/constintel/credentials/master.key
[[ -f $credential ]] || {
    echo "There is no $credential: without systemd, run 'constintel platform rotate-master-key'." >&2
    exit 1
}
constintel=${CONSTINTEL:-/usr/lib/constintel/current/constintel}

# Replaces the credential by standard input, whole or not at all, and starts the daemon with it.
deliver() {
    local new=$credential.new
    (umask 077 && cat >"$new")
    sync "$new"
    mv "$new" "$credential"
    sync "$(dirname "$credential")"
    restart
}

restart() {
    systemctl restart constinteld.service
    "$constintel" wait
}

case $(stat -c %s "$credential") in
32)
    echo "A new key is put before the present one."
    cat <(head -c 32 /dev/urandom) "$credential" | deliver
    ;;
64) restart ;;
*)
    echo "$credential has neither one key nor two: see runbooks/key-rotation.md." >&2
    exit 1
    ;;
esac
echo "Everything is sealed under the new key."
"$constintel" platform rotate-master-key
echo "The former key goes."
head -c 32 "$credential" | deliver
"$constintel" platform keys
