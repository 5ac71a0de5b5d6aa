#!/bin/sh
# Say what this machine lacks to run Tidegate, with the line to type, before anything is installed.
# Usage: check-machine.sh [PYTHON], where PYTHON is python3 unless told.
set -u

python=${1:-python3}
packages=
lacking=

lack() {
    lacking="$lacking
  $1"
    packages="$packages $2"
}

if ! command -v "$python" >/dev/null 2>&1; then
    lack "Python 3.11 or newer: there is no '$python'" "python3 python3-venv"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    lack "Python 3.11 or newer: '$python' is $("$python" --version 2>&1); another one is named by make PYTHON=…" "python3 python3-venv"
else
    # Debian's python3 has venv but not ensurepip until python3-venv is there.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || lack "Python's venv module, to install into a folder of its own" python3-venv
    "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || lack "libgomp1, which LightGBM computes with" libgomp1
fi
command -v git >/dev/null 2>&1 || lack "git, to record which code trained a model" git
command -v make >/dev/null 2>&1 || lack "make" make

if [ -n "$lacking" ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo "
    {
        echo "This machine lacks:$lacking"
        echo "On Debian 12, type:"
        echo "  ${sudo}apt-get update && ${sudo}apt-get install -y$packages"
    } >&2
    exit 1
fi
