#!/usr/bin/env bash
# The same as deploy-production.sh, for a machine where new releases are tried.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/deploy-production.sh" "$@"
