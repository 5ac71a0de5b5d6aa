#!/usr/bin/env bash
# Make .venv, or bring it up to date with requirements/dev.txt. Run by make when the lock has changed.
# Usage: make-venv.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

python=.venv/bin/python
total=$(grep -c '^[^ #]' requirements/dev.txt)

# One line that counts on a terminal, nothing elsewhere; what pip complains of goes to standard error as it is.
progress() {
    if [ -t 1 ]; then
        awk -v total="$total" '
            /^(Collecting|Requirement already satisfied)/ { printf "\r\033[K  package %d of at most %d", ++n, total; fflush() }
            /^Installing collected/ { printf "\r\033[K  unpacking …"; fflush() }
            END { printf "\r\033[K" }'
    else
        cat >/dev/null
    fi
}

# A folder that was moved, or whose Python is gone, is made again from nothing.
if [ -e .venv ] && ! "$python" -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
fi
if [ ! -e .venv ]; then
    echo "Making .venv with $("$1" --version)"
    "$1" -m venv .venv
fi
echo "Installing $total locked packages into .venv (a minute or two the first time)"
"$python" -m pip install --require-hashes --only-binary :all: -r requirements/dev.txt | progress
"$python" -m pip install --quiet --no-build-isolation --no-deps --editable .
