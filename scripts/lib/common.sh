# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash disable=SC2034 # others use its variables

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DEV="$ROOT/.dev"
TOOLS="$DEV/tools"

# Environments that scripts/setup makes.
UNIT_PYTHON="$DEV/unit/bin/python"
HA_PYTHON="$DEV/ha/bin/python"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# The hash of everything that a step depends on: files by content, other words as they are.
fingerprint() {
  local item
  for item in "$@"; do
    if [[ -f $item ]]; then cat "$item"; else printf '%s\n' "$item"; fi
  done | git -C "$ROOT" hash-object --stdin
}

# A stamp says that a step was finished with the inputs that have this fingerprint.
is_stamped() { [[ -f "$DEV/stamps/$1" && $(<"$DEV/stamps/$1") == "$2" ]]; }

stamp() {
  mkdir -p "$DEV/stamps"
  printf '%s\n' "$2" >"$DEV/stamps/$1"
}

# Run a command for at most so many seconds, also where there is no timeout(1).
within() {
  local seconds=$1
  shift
  if command -v timeout >/dev/null; then
    timeout "$seconds" "$@"
  else
    perl -e 'alarm shift; exec @ARGV' "$seconds" "$@"
  fi
}
