# Installs the system packages and npm packages of the tests; sourced by scripts/setup.
# shellcheck shell=bash disable=SC2086 # lists of packages are meant to be split

PACKAGES="$ROOT/tests/e2e/packages.txt"

# Print what neither dpkg nor a program on PATH shows to be there.
missing_packages() {
  local package programs program installed=""
  if command -v dpkg-query >/dev/null; then
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null |
      awk '$2 == "installed" { print $1 }')
  fi
  while read -r package programs; do
    case $package in "" | \#*) continue ;; esac
    for program in ${programs//|/ }; do
      command -v "$program" >/dev/null && continue 2
    done
    grep -qxE "$package" <<<"$installed" || printf '%s\n' "$package"
  done <"$PACKAGES"
}

# Print those of the packages that apt knows; of alternatives the first.
known_packages() {
  local names name
  for names in "$@"; do
    for name in ${names//|/ }; do
      if apt-cache policy "$name" 2>/dev/null | grep 'Candidate: [^(]' >/dev/null; then
        printf '%s\n' "$name"
        break
      fi
    done
  done
}

apt_install() {
  # RUNLEVEL keeps a package from starting its service: the tests start their own coturn.
  "${SUDO[@]+"${SUDO[@]}"}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq \
    -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

install_system_packages() {
  local missing known package SUDO=()
  missing=$(missing_packages)
  [[ -n $missing ]] || return 0
  if [[ $(id -u) != 0 ]]; then SUDO=(sudo -n); fi
  if ! command -v apt-get >/dev/null || ! "${SUDO[@]+"${SUDO[@]}"}" true 2>/dev/null; then
    complain_about $missing
    return 0
  fi
  # What apt could not install the last time it is not asked for again.
  if is_stamped system "$(fingerprint "$missing")"; then
    complain_about $missing
    return 0
  fi
  say "setup: installing" $missing
  {
    apt_install update || true
    known=$(known_packages $missing)
    # One that cannot be installed must not keep the others away.
    apt_install install -y --no-install-recommends $known ||
      for package in $known; do
        apt_install install -y --no-install-recommends "$package" || true
      done
  } >"$DEV/apt.log" 2>&1
  missing=$(missing_packages)
  [[ -n $missing ]] || return 0
  stamp system "$(fingerprint "$missing")"
  complain_about $missing
  say "setup: apt's words are in .dev/apt.log; remove .dev/stamps/system to try again"
}

complain_about() {
  say "setup: ================================================================"
  say "setup: NOT INSTALLED, tests that need them are skipped (in CI: fail):"
  printf 'setup:   %s\n' "$@" >&2
  say "setup: install them by hand, for example: sudo apt-get install $*"
  say "setup: ================================================================"
}

install_node_packages() {
  local package="$ROOT/tests/e2e/browser/package.json" print
  print=$(fingerprint "node 1" "$ROOT" "$package")
  is_stamped node "$print" && [[ -d "$DEV/node/node_modules" ]] && return
  if ! command -v npm >/dev/null; then
    say "setup: without npm, the packages of tests/e2e/browser/package.json are missing too"
    return 0
  fi
  say "setup: installing npm packages"
  mkdir -p "$DEV/node"
  cp "$package" "$DEV/node/package.json"
  if (cd "$DEV/node" && npm install --no-package-lock --no-audit --no-fund \
    --loglevel=error </dev/null) >"$DEV/npm.log" 2>&1; then
    stamp node "$print"
  else
    tail -n 5 "$DEV/npm.log" >&2
    say "setup: NOT INSTALLED: the packages of tests/e2e/browser/package.json (.dev/npm.log)"
  fi
}
