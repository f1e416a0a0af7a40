#!/usr/bin/env bash
# Installs ConstIntel on a Debian 12 with systemd, to serve from now on and after each boot.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/production.sh"

usage() {
    cat <<'TEXT'
Usage: infra/setup-production.sh --edge URL [option]...

Installs programs, units, users, a PostgreSQL cluster, a Redis and an nginx of ConstIntel's own, and starts them.
Run again, it changes what is not as it should be, and nothing else. runbooks/install.md tells more.

  --edge URL           where people and shops reach it, for instance https://ci.example.com
  --listen ADDRESS     the edge's port, or address and port (default: 443, or 80 with --without-tls)
  --certificate FILE   the certificate with its chain (default: /etc/constintel/tls/fullchain.pem)
  --key FILE           its key (default: /etc/constintel/tls/privkey.pem)
                       Where neither is there, a pair is made that no browser trusts, so that certbot can work
                       through the webroot /var/lib/constintel-acme. The edge reads renewed files by itself.
  --without-tls        plain HTTP, for a machine behind something that terminates TLS
  --binaries DIR       the programs (default: build them from this checkout, which needs Swift)
  --release NAME       the release's name (default: what constinteld --version says)
  --environment NAME   production (default) or staging
TEXT
}

edge=
listen=
certificate=$configuration/tls/fullchain.pem
key=$configuration/tls/privkey.pem
tls=1
given_binaries=
release=
environment=production
while [ $# -gt 0 ]; do
    case $1 in
        --edge | --listen | --certificate | --key | --binaries | --release | --environment)
            [ -n "${2-}" ] || { usage >&2; exit 64; }
            case $1 in
                --edge) edge=${2%/} ;;
                --listen) listen=$2 ;;
                --certificate) certificate=$(realpath -ms "$2") ;;
                --key) key=$(realpath -ms "$2") ;;
                --binaries) given_binaries=$(realpath "$2") ;;
                --release) release=$2 ;;
                --environment) environment=$2 ;;
            esac
            shift
            ;;
        --without-tls) tls= ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done
[[ $edge =~ ^https?://[^/]+$ ]] || { usage >&2; exit 64; }
case $environment in production | staging) ;; *) usage >&2; exit 64 ;; esac
listen=${listen:-$([ -n "$tls" ] && echo 443 || echo 80)}
require_systemd
# Its servers, keys and sockets are other ones, and would be half of this installation's.
if [ -d "$state/postgres" ] || { [ -e "$state/run" ] && [ ! -L "$state/run" ]; }; then
    die "$state is the state of an installation by infra/run.sh, which cannot become this one; if nothing in it is" \
        "needed, remove it, otherwise move it: mv $state $state.embedded (run.sh finds it by CONSTINTEL_HOME)"
fi

# A secret of so many random bytes, made once.
secret() {
    local file=$configuration/credentials/$1
    [ -e "$file" ] && return
    (umask 077 && head -c "$2" /dev/urandom | $3 >"$file.new")
    mv -T "$file.new" "$file"
    say "   made $file"
}

make_secrets() {
    step "Secrets in $configuration/credentials"
    install -d -m 755 "$configuration"
    install -d -m 700 "$configuration/credentials"
    secret master.key 32 cat
    secret postgres-password 24 "od -An -v -tx1 -w64"
    secret redis-password 24 "od -An -v -tx1 -w64"
    sed -i 's/ //g' "$configuration/credentials/postgres-password" "$configuration/credentials/redis-password"
}

# An eighth, a third and a half of the memory, as Sources/Embedded/MachineMemory.swift has it.
memory() {
    local megabytes
    megabytes=$(awk '/^MemTotal/ { print int($2 / 1024 / '"$1"') }' /proc/meminfo)
    if [ "$megabytes" -lt "$2" ]; then megabytes=$2; elif [ "$megabytes" -gt "$3" ]; then megabytes=$3; fi
    printf '%sMB' "$megabytes"
}

cluster() { pg_lsclusters --no-header | awk '$2 == "constintel" { print $'"$1"' }'; }

sql() { runuser -u postgres -- psql -qXAt -v ON_ERROR_STOP=1 -p "$(cluster 3)" -d "${1:-postgres}"; }

setup_postgres() {
    step "PostgreSQL: the cluster 'constintel', on the socket in /run/postgresql"
    local version settings changed=
    version=$(cluster 1)
    if [ -z "$version" ]; then
        version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n 1)
        pg_createcluster --start-conf auto "$version" constintel -- --encoding=UTF8 --locale=C.UTF-8 \
            --data-checksums >/dev/null
        # Debian's cluster file is read when units are made, which is at a reload.
        systemctl daemon-reload
    fi
    settings=/etc/postgresql/$version/constintel
    if render "$programs/current/templates/postgres/postgresql.conf.mustache" \
        "sharedBuffers=$(memory 8 128 8192)" "maximumLog=$(memory 3 2048 8192)" \
        "expectedCache=$(memory 2 256 1048576)" |
        sed -E '/^(# PostgreSQL of embedded|hba_file|port|unix_socket_)/d' |
        put "$settings/conf.d/constintel.conf" 644; then changed=1; fi
    if printf '%s\n' "# Everyone proves who they are; the machine's own postgres by being it." \
        "local all postgres peer" "local all constintel scram-sha-256" \
        "# A brand's role has business in one database, and is not let into any other." \
        "local constintel_brands all scram-sha-256" |
        put "$settings/pg_hba.conf" 640 postgres:postgres; then changed=1; fi
    if put "/etc/systemd/system/postgresql@$version-constintel.service.d/10-constintel.conf" 644 \
        <"$programs/current/templates/systemd/postgresql-cluster.conf"; then
        changed=1
        systemctl daemon-reload
    fi
    systemctl enable --quiet "postgresql@$version-constintel.service" 2>/dev/null || true
    if [ -n "$changed" ]; then systemctl restart "postgresql@$version-constintel.service"; else
        systemctl start "postgresql@$version-constintel.service"
    fi
    {
        echo "select 'create role constintel' where not exists (select from pg_roles where rolname = 'constintel') \\gexec"
        echo "alter role constintel login createdb createrole password '$(<"$configuration/credentials/postgres-password")';"
    } | sql
}

setup_redis() {
    step "Redis: constintel-redis.service, on the socket /run/constintel-redis/redis.sock"
    local users=/var/lib/constintel-redis/users.acl hash changed=
    if render "$programs/current/templates/redis/redis.conf.mustache" \
        "socket=/run/constintel-redis/redis.sock" "directory=/var/lib/constintel-redis" "users=$users" |
        sed 's/^# Redis of embedded mode/# Redis of ConstIntel/' |
        put "$configuration/redis.conf" 640 root:constintel-stores; then changed=1; fi
    install -d -m 700 -o constintel-redis -g constintel-stores /var/lib/constintel-redis
    hash=$(tr -d '\n' <"$configuration/credentials/redis-password" | sha256sum | cut -d ' ' -f 1)
    # Redis writes this file itself while it runs: the brands' users are in it.
    if ! grep -q "^user constintel .*#$hash" "$users" 2>/dev/null; then
        systemctl stop constintel-redis.service 2>/dev/null || true
        {
            echo "user default off nopass resetkeys -@all"
            echo "user constintel on #$hash ~* &* +@all"
            if [ -e "$users" ]; then grep -Ev '^user (default|constintel) ' "$users" || true; fi
        } | put "$users" 600 constintel-redis:constintel-stores || true
    fi
    systemctl enable --quiet constintel-redis.service
    if [ -n "$changed" ]; then systemctl restart constintel-redis.service; else
        systemctl start constintel-redis.service
    fi
}

make_placeholder() {
    [ -z "$tls" ] || [ -e "$certificate" ] || [ -e "$key" ] || {
        say "   there is no $certificate: making one that no browser trusts"
        mkdir -p "$(dirname "$certificate")" "$(dirname "$key")"
        (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
            -subj "/CN=$(host)" -addext "subjectAltName=DNS:$(host)" -keyout "$key" -out "$certificate" 2>/dev/null)
    }
    [ -z "$tls" ] || { [ -r "$certificate" ] && [ -r "$key" ]; } || die "there is no $certificate or no $key"
}

host() { sed -E 's|^https?://||; s|:[0-9]+$||' <<<"$edge"; }

tls_settings() {
    cat <<TEXT
ssl_certificate "$certificate";
ssl_certificate_key "$key";
ssl_protocols TLSv1.2 TLSv1.3;
ssl_session_cache shared:TLS:10m;
ssl_session_tickets off;

# certbot proves here whose name it is; everything else is told where to go.
server {
    listen 80 default_server;
    location /.well-known/acme-challenge/ {
        root /var/lib/constintel-acme;
        default_type text/plain;
    }
    location / {
        return 308 $edge\$request_uri;
    }
}
TEXT
}

setup_edge() {
    step "The edge: constintel-edge.service, nginx on $listen"
    local part nginx=$configuration/nginx changed=
    install -d -m 755 /var/lib/constintel-acme/.well-known/acme-challenge
    make_placeholder
    for part in nginx brand control; do
        if render "$programs/current/templates/nginx/$part.conf.mustache" "nginx=$nginx" "run=/run/constintel" \
            "temporary=/var/cache/constintel-edge" "address=$listen$([ -n "$tls" ] && echo ' ssl http2')" \
            "slug=$(<"$programs/current/templates/nginx/slug.regex")" |
            sed "s|^pid .*|pid /run/constintel-edge/nginx.pid;\nuser www-data;|" |
            put "$nginx/$part.conf" 644; then changed=1; fi
    done
    if [ -n "$tls" ]; then
        if tls_settings | put "$nginx/http.d/tls.conf" 644; then changed=1; fi
        printf '[Path]\nPathChanged=\nPathChanged=%s\nPathChanged=%s\n' "$certificate" "$key" |
            put /etc/systemd/system/constintel-tls.path.d/50-files.conf 644 && systemctl daemon-reload
        systemctl enable --quiet constintel-tls.path
        systemctl restart constintel-tls.path
    else
        rm -f "$nginx/http.d/tls.conf"
        systemctl disable --quiet --now constintel-tls.path 2>/dev/null || true
    fi
    systemctl enable --quiet constintel-edge.service
    if [ -n "$changed" ] && systemctl is-active --quiet constintel-edge.service; then
        systemctl reload constintel-edge.service
    else
        systemctl start constintel-edge.service \
            || die "the edge did not start; see: journalctl -u constintel-edge"
    fi
}

setup_daemon() {
    step "The control plane: constinteld.service"
    local version changed=
    version=$(cluster 1)
    if put "$configuration/constinteld.json" 644 <<TEXT; then changed=1; fi
{
    "environment": "$environment",
    "supervisor": "systemd",
    "state": "$state",
    "edge": "$edge",
    "templates": "$programs/current/templates",
    "instanceExecutable": "$programs/current/constintel-instance",
    "postgres": {
        "host": "/run/postgresql",
        "port": $(cluster 3),
        "user": "constintel",
        "passwordFile": "/run/credentials/constinteld.service/postgres-password"
    },
    "redis": {
        "socket": "/run/constintel-redis/redis.sock",
        "user": "constintel",
        "passwordFile": "/run/credentials/constinteld.service/redis-password"
    },
    "databaseDirectory": "/var/lib/postgresql/$version/constintel",
    "watchedDirectories": ["/var/lib/postgresql/$version/constintel", "/var/lib/constintel-redis"]
}
TEXT
    systemctl enable --quiet constinteld.service
    if [ -n "$changed$switched" ] || ! systemctl is-active --quiet constinteld.service; then
        restart_daemon || die "constinteld does not become ready; see: journalctl -u constinteld"
    fi
    # Neither a deleted brand that is due nor the end of a trial should wait for the night, and a day ends at
    # another hour for each brand.
    local job
    for job in purge trials metrics drills; do
        printf '[Timer]\nOnCalendar=\nOnCalendar=hourly\n' |
            put "/etc/systemd/system/constintel-job@$job.timer.d/10-hourly.conf" 644 && systemctl daemon-reload
    done
    # Each brand has its own minute in the time between two backups.
    printf '[Timer]\nOnCalendar=\nOnCalendar=*:0/5\nRandomizedDelaySec=0\n' |
        put /etc/systemd/system/constintel-job@backups.timer.d/10-often.conf 644 && systemctl daemon-reload
    systemctl enable --quiet --now \
        constintel-job@{partitions,housekeeping,purge,trials,metrics,retention,backups,drills,formers}.timer
}

# What constinteld takes from everybody where it is the server's superuser, as
# Sources/ControlPlane/Platform/SchemaStore.swift has it: here it is not.
close_brands() {
    sql constintel_brands <<'TEXT'
select format('revoke execute on function %s from public', oid::regprocedure) from pg_proc
where pronamespace = 'pg_catalog'::regnamespace
  and proname ~ '^(lo_(creat|create|from_bytea)|pg_(try_)?advisory_(xact_)?lock.*)$'
  and has_function_privilege('public', oid, 'execute') \gexec
TEXT
}

# nginx and Redis of Debian's own, where their packages were missing, stay off: they would take ports for nothing.
packages=(
    postgresql redis-server nginx-light libpq5 libhiredis0.14 libcsv3 libphonenumber8 libarchive13 restic
    ca-certificates openssl
)
needs_pip=
install_packages
find_binaries "$given_binaries"
release=${release:-$("$binaries/constinteld" --version)}
switched=
install_release "$release"
if [ "$(current_release)" != "$release" ]; then
    step "Switching to the release $release"
    switch_release "$release"
    switched=1
fi
ln -sfn "$programs/current/constintel" /usr/local/bin/constintel
install -d /usr/share/doc/constintel
ln -sfn "$programs/current/runbooks" /usr/share/doc/constintel/runbooks
step "Units, users and directories"
install_units
make_secrets
setup_postgres
setup_redis
setup_edge
setup_daemon
close_brands
step "The recovery passphrase of the master key, unless there is one"
"$programs/current/constintel" platform rotate-recovery-passphrase --if-absent
step "Installed. See: constintel status; systemctl status constinteld; runbooks/systemd.md"
