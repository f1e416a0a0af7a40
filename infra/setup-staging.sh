#!/usr/bin/env bash
# The same as setup-production.sh, for a machine where new releases are tried.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/setup-production.sh" --environment staging "$@"
