#!/usr/bin/env bash
# Proves in a box that the units' hardening is active: tries from inside them what it forbids.
set -euo pipefail
# shellcheck source=infra/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

usage() {
    cat <<'TEXT'
Usage: infra/dev/probe.sh [--each] [--without DIRECTIVE] [instance | daemon]

Boots a box, installs the units of templates/systemd in it, and runs infra/dev/probe.py twice for each unit: as the
unit, where every attempt must be refused, and as a unit of root's without any hardening, where every attempt must
succeed, or it would prove nothing. Prints the attempts and the counts; status 1 when one is not as it must be.

  --each        for every directive also: how many attempts it refuses alone, and how many succeed without it;
                "-" where the unit does not start so
  --without     leave this directive out of the unit: how the proof fails when it is broken
TEXT
}

# What no attempt can show here: they matter to what a crash or a file leaves behind, or to other processors.
unseen=" LimitCORE UMask RemoveIPC KeyringMode SystemCallErrorNumber AmbientCapabilities SystemCallArchitectures
 IPAddressDeny MemorySwapMax PrivateMounts ExecPaths BindReadOnlyPaths LimitNOFILE "

# What the control plane may do: it is there to do it.
by_design='["read /var/lib/constintel/secrets/master.key",
    "read /var/lib/constintel/instances/other/credentials/postgres-password",
    "connect to /run/constintel/instances/other.sock", "connect to /run/constintel/operator.sock",
    "connect to /run/dbus/system_bus_socket", "connect to /run/systemd/private",
    "connect to an abstract socket of the machine", "open a socket of AF_INET", "open a socket of AF_INET6"]'

install_units() {
    local unit
    for unit in templates/systemd/*.{service,socket,slice,timer}; do install -m 644 "$unit" /etc/systemd/system/; done
    install -D -m 644 templates/systemd/constintel.sysusers.conf /usr/lib/sysusers.d/constintel.conf
    install -D -m 644 templates/systemd/constintel.tmpfiles.conf /usr/lib/tmpfiles.d/constintel.conf
    systemd-sysusers constintel.conf
    mkdir -p /usr/lib/constintel/releases
    systemd-tmpfiles --create constintel.conf
}

# Secrets to be read, a brand that runs, sockets to connect to, a device to open.
make_surroundings() {
    local brand name
    for brand in acme other; do
        mkdir -p "/var/lib/constintel/instances/$brand/credentials"
        for name in postgres-password redis-password token-key-1.pub token-key-2.pub; do
            echo secret >"/var/lib/constintel/instances/$brand/credentials/$name"
        done
        echo '{}' >"/var/lib/constintel/instances/$brand/instance.json"
    done
    mkdir -p /var/lib/constintel/secrets /etc/constintel/credentials /usr/lib/constintel /run/probe /var/lib/probe \
        /etc/systemd/system/constintel-instance@other.service.d
    for name in master.key postgres-password redis-password; do
        echo secret >"/etc/constintel/credentials/$name"
    done
    chmod -R go= /var/lib/constintel/instances /var/lib/constintel/secrets /etc/constintel/credentials
    echo secret | tee /var/lib/constintel/secrets/master.key /tmp/secret /root/secret /srv/secret >/dev/null
    echo secret >/dev/shm/secret
    chmod 644 /tmp/secret /dev/shm/secret /srv/secret
    mknod -m 666 /dev/constintel-probe c 10 229
    install -m 755 infra/dev/probe.py /usr/lib/constintel/probe.py
    cat >/etc/systemd/system/constintel-instance@other.service.d/90-probe.conf <<TEXT
[Service]
Type=exec
WatchdogSec=0
ExecStart=
ExecStart=/usr/bin/python3 -I -c "import os, signal; open(os.environ['STATE_DIRECTORY'] + '/secret', 'w'); signal.pause()"
$python
TEXT
    cat >/etc/systemd/system/probe-surroundings.service <<'TEXT'
[Service]
Type=notify
ExecStart=/usr/bin/python3 -I /usr/lib/constintel/probe.py --surroundings
TEXT
    systemctl daemon-reload
    systemctl start probe-surroundings.service constintel-instance@other.service
}

# What is tried with the limits of the unit whose file is given second: somewhat more than it may.
write_facts() {
    local other tasks memory
    tasks=$(sed -n 's/^TasksMax=//p' "templates/systemd/$2")
    memory=$(sed -n 's/^MemoryMax=//p' "templates/systemd/$2" | numfmt --from=iec)
    other=$(systemctl show --value -p MainPID constintel-instance@other.service)
    cat >/usr/lib/constintel/probe.json <<TEXT
{"other": $other, "libraries": "$(dirname "$(realpath /lib64/ld-linux-x86-64.so.2 2>/dev/null \
    || realpath /lib/ld-linux-aarch64.so.1)")", "tasks": $((tasks + 20)), "memory": $((memory + (200 << 20))),
 "cgroup": "$(if [ -d /sys/fs/cgroup/systemd ]; then echo /sys/fs/cgroup/systemd; else echo /sys/fs/cgroup; fi)",
 "loader": "$(realpath /lib64/ld-linux-x86-64.so.2 2>/dev/null || realpath /lib/ld-linux-aarch64.so.1)",
 "unreadable": ["/var/lib/constintel/secrets/master.key", "/etc/constintel/credentials/master.key",
    "/run/credentials/constintel-instance@other.service/postgres-password",
    "/var/lib/constintel/instances/other/credentials/postgres-password",
    "/var/lib/private/constintel-instance/other/secret", "/tmp/secret", "/dev/shm/secret", "/root/secret",
    "/srv/secret", "/etc/shadow", "/proc/1/environ"],
 "sockets": ["/run/constintel/instances/other.sock", "/run/constintel/operator.sock", "/run/dbus/system_bus_socket",
    "/run/systemd/private"],
 "excepted": $1}
TEXT
}

# Runs the probe as a unit and leaves what it said in /run/probe/out.
run_probe() {
    rm -f /run/probe/out
    systemctl start "$1" 2>/run/probe/error || true
    [ -s /run/probe/out ]
}

must_run_probe() {
    run_probe "$1" && return
    cat /run/probe/error >&2
    journalctl --no-pager -o cat -n 20 -u "$1" >&2
    die "the probe did not run as $1"
}

count() { grep -c "^$1" /run/probe/out || true; }

# The unit of root's without hardening, with the lines of a section [Service] given on standard input besides.
write_bare() {
    { printf '[Service]\nEnvironment=STATE_DIRECTORY=/var/lib/probe\nTasksMax=infinity\n%s\n' "$as_probe" && cat; } \
        >/etc/systemd/system/probe-bare.service
    systemctl daemon-reload
}

# A copy of the unit, less one directive.
write_without() {
    sed "/^$2=/d" "/etc/systemd/system/$1" >"/etc/systemd/system/${1/constintel/probe-without}"
    systemctl daemon-reload
}

probe_unit() {
    local kind=$1 file=$2 unit=$3 directives directive alone without first status=0
    write_facts "$4" "$file"
    mkdir -p "/etc/systemd/system/$unit.d"
    printf '[Service]\n%s\n%s\n' "$as_probe" "$python" >"/etc/systemd/system/$unit.d/90-probe.conf"
    if [ -n "$leave_out" ]; then
        say "The unit is tried without $leave_out."
        grep -q "^$leave_out=" "/etc/systemd/system/$file" || die "$file has no $leave_out"
        sed -i "/^$leave_out=/d" "/etc/systemd/system/$file"
    fi
    systemctl daemon-reload
    must_run_probe "$unit"
    cat /run/probe/out
    say "$kind: $(count refused) refused, $(count ALLOWED) ALLOWED, $(count BROKEN) BROKEN, $(count 'by design') by design"
    [ "$(count ALLOWED)$(count BROKEN)$(count absent)" = 000 ] && [ "$(count refused)" -gt 0 ] || status=1
    write_facts '[]' "$file"
    write_bare </dev/null
    must_run_probe probe-bare.service
    say "$kind, without any hardening: $(count ALLOWED) ALLOWED, $(count refused) refused, $(count BROKEN) BROKEN, \
$(count absent) absent from this kernel"
    grep -Ev '^(ALLOWED|absent)' /run/probe/out && status=1
    if [ -n "$each" ]; then
        write_facts "$4" "$file"
        say "directive                     alone refuses   without it succeed"
        directives=$(sed -n '/^MemoryMax/,/^\[Install/ s/^\([A-Za-z]*\)=.*/\1/p' "/etc/systemd/system/$file" | sort -u)
        for directive in $directives; do
            grep "^$directive=" "/etc/systemd/system/$file" | write_bare
            # What means nothing, or nothing good, without another.
            case $directive in
                NoExecPaths) { grep -E '^(No)?ExecPaths=' "/etc/systemd/system/$file"; echo "$python"; } | write_bare ;;
                SystemCallFilter) grep -E '^SystemCall(Filter|ErrorNumber)=' "/etc/systemd/system/$file" | write_bare ;;
            esac
            # Some do not start without others, such as a root directory without what is to be seen in it.
            if run_probe probe-bare.service; then alone=$(count refused); else alone=-; fi
            write_without "$file" "$directive"
            mkdir -p "/etc/systemd/system/${unit/constintel/probe-without}.d"
            cp "/etc/systemd/system/$unit.d/90-probe.conf" "/etc/systemd/system/${unit/constintel/probe-without}.d/"
            systemctl daemon-reload
            if run_probe "${unit/constintel/probe-without}"; then without=$(count ALLOWED); else without=-; fi
            first=$(sed -n 's/^ALLOWED  //p' /run/probe/out 2>/dev/null | head -n 1 || true)
            printf '%-28s  %13s   %18s  %s\n' "$directive" "$alone" "$without" "$first"
            if [ "$alone$without" = 00 ] && [[ $unseen != *[[:space:]]${directive}[[:space:]]* ]]; then
                say "No attempt shows that $directive is active."
                status=1
            fi
        done
    fi
    return "$status"
}

# In the box.
inside() {
    python="ExecPaths=+$(realpath /usr/bin/python3) +$(python3 -I -c 'import os; print(os.path.dirname(os.__file__))')"
    as_probe='Type=oneshot
WatchdogSec=0
Restart=no
OOMPolicy=continue
ExecStart=
ExecStart=/usr/bin/python3 -I /usr/lib/constintel/probe.py
StandardOutput=truncate:/run/probe/out'
    local status=0
    install_units
    make_surroundings
    case $which in daemon) ;; *) probe_unit instance constintel-instance@.service constintel-instance@acme.service '[]' || status=1 ;; esac
    case $which in instance) ;; *) probe_unit daemon constinteld.service constinteld.service "$by_design" || status=1 ;; esac
    return "$status"
}

each=
leave_out=
which=
in_box=
while [ $# -gt 0 ]; do
    case $1 in
        --each) each=1 ;;
        --without) leave_out=${2-}; shift ;;
        --in-box) in_box=1 ;;
        instance | daemon) which=$1 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done
cd "$root"
if [ -n "$in_box" ]; then inside; exit; fi

box=$(mktemp -d)
trap '"$root/infra/dev/box" remove "$box"' EXIT
"$root/infra/dev/box" start --net "$box" >/dev/null || exit
"$root/infra/dev/box" exec "$box" infra/dev/probe.sh --in-box ${each:+--each} ${leave_out:+--without "$leave_out"} \
    ${which:+"$which"}
