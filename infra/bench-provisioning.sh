#!/usr/bin/env bash
# Measures provisioning beside bare DDL and beside django-tenants on the same PostgreSQL, in one run.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/infra/bench/service.sh"

usage() {
    cat <<'TEXT'
Usage: infra/bench-provisioning.sh [--skip-build] [--rounds N] [--brands N] [--no-django]

Makes an installation in a directory of its own and provisions brands in it, one after another. What is counted of
a brand goes from POST /api/admin/brands over its operation's end, as its server-sent events tell it, and
POST …/keys, to the first event answered 202 at the edge. Beside each of the first brands, on the same server:

  psql            the statements that the brand's plan lists: two roles, schema, tables, grants
  django-tenants  saving a tenant with as many tables and indexes (4.0.1, from PyPI)

Then it goes on, and prints the time of the first and of the last brand, and what constinteld takes of the memory.

  --rounds N     brands that are compared (default 50)
  --brands N     brands in the end (default 200)
  --no-django    leave django-tenants out; nothing is fetched then
  --skip-build   use the release that was built last
TEXT
}

build=1
rounds=50
brands=200
django=1
while [ $# -gt 0 ]; do
    case $1 in
        --skip-build) build= ;;
        --no-django) django= ;;
        --rounds | --brands)
            [[ ${2-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 64; }
            if [ "$1" = --rounds ]; then rounds=$2; else brands=$2; fi
            shift
            ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done

install_packages
require_swift
build_release "$build"
start_service

options=()
if [ -n "$django" ]; then
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --target "$work/python" django-tenants==4.0.1 'django==5.2.*' psycopg2-binary \
        || die "django-tenants could not be fetched; leave it out with --no-django"
    mkdir "$work/django"
    options=(--django "$work/django")
fi
PYTHONPATH=$work/python PYTHONDONTWRITEBYTECODE=1 python3 "$root/infra/bench/provisioning.py" --state "$work" \
    --edge "$edge" --daemon "$daemon" --schema "$root/Sources/Schema/tenant/current.sql" --rounds "$rounds" \
    --brands "$brands" ${options[@]+"${options[@]}"}
