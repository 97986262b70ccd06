# Shared by bin/test and bin/demo (POSIX sh, sourced): finds or installs uv, makes .venv. Everything it prints goes to
# standard error, because the first line of `bin/demo --json` on standard output belongs to the caller.

UV_VERSION=0.13.9 # installed privately where the machine has none
UV_OLDEST=0.8.0   # older ones do not read this uv.lock

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# at_least A B: whether version A (x.y.z) is B or newer.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# is_usable_uv COMMAND: it starts, and is new enough.
is_usable_uv() {
    version=$("$1" --version 2>/dev/null) || return 1
    version=${version#uv }
    at_least "${version%% *}" "$UV_OLDEST"
}

fetch() { # URL
    if have curl; then curl -fsSL --retry 3 "$1"
    elif have wget; then wget -qO- "$1"
    elif have python3; then python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())' "$1"
    else return 127
    fi
}

# Each way puts uv under .tools/ and leaves the rest of the machine alone. `pip --target` also works where the system
# Python is marked as externally managed (PEP 668).
uv_by_pip() {
    have python3 && PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --upgrade --target .tools/pip "uv==$UV_VERSION" >&2 &&
        UV=$PWD/.tools/pip/bin/uv && is_usable_uv "$UV"
}

uv_by_venv() {
    have python3 && python3 -m venv .tools/venv >&2 && .tools/venv/bin/pip install --quiet "uv==$UV_VERSION" >&2 &&
        UV=$PWD/.tools/venv/bin/uv && is_usable_uv "$UV"
}

uv_by_installer() {
    fetch "https://astral.sh/uv/$UV_VERSION/install.sh" >.tools/install-uv.sh &&
        UV_INSTALL_DIR=$PWD/.tools/bin UV_NO_MODIFY_PATH=1 sh .tools/install-uv.sh >&2 &&
        UV=$PWD/.tools/bin/uv && is_usable_uv "$UV"
}

# Debian keeps pip and venv out of its python3 package.
uv_by_apt() {
    have apt-get && [ "$(id -u)" = 0 ] && apt-get update -qq >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >&2 && uv_by_venv
}

install_uv() {
    say "No uv $UV_OLDEST or newer found: installing uv $UV_VERSION into .tools/"
    mkdir -p .tools
    uv_by_pip || uv_by_venv || uv_by_installer || uv_by_apt && return
    say "Could not install uv: it takes Python with pip or venv, or curl, wget or Python with access to the internet."
    say "Install uv $UV_OLDEST or newer by hand (https://docs.astral.sh/uv/) and run this again."
    return 1
}

find_uv() {
    for UV in uv "$PWD/.tools/pip/bin/uv" "$PWD/.tools/venv/bin/uv" "$PWD/.tools/bin/uv"; do
        is_usable_uv "$UV" && return
    done
    install_uv
}

# Node, which builds the client, needs libatomic; small Debian and Ubuntu images leave it out.
ensure_libatomic() {
    [ "$(uname)" = Linux ] || return 0
    for library in /lib/*/libatomic.so.1 /usr/lib/*/libatomic.so.1 /usr/lib/libatomic.so.1 /usr/lib64/libatomic.so.1; do
        [ -e "$library" ] && return
    done
    command="apt-get install -y libatomic1"
    if have apt-get && [ "$(id -u)" = 0 ]; then
        say "Installing libatomic, which Node needs: $command"
        apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive $command -qq >&2 && return
    fi
    say "libatomic.so.1 was not found. If Node does not start below, install it: sudo $command"
}

# sync_environment [uv sync options]: makes .venv match uv.lock, and builds the client when its source has changed.
# With nothing changed it takes under a second.
sync_environment() {
    find_uv || return
    ensure_libatomic
    [ -f hearing_server/static/index.html ] || set -- "$@" --reinstall-package court-hearing
    UV_PROJECT_ENVIRONMENT=.venv "$UV" sync --locked "$@" >&2
}
