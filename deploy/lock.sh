#!/usr/bin/env bash
# Make requirements/*.txt anew from pyproject.toml: exact versions with hashes for every platform and Python from 3.11
# on, and no addresses, so that any index serves. uv is itself a locked development tool.
# Run by `make lock`; versions move only with `make lock ARGS=--upgrade` (or --upgrade-package NAME).
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv

oldest_python=3.11
lock() {
    local output=$1
    shift
    # --no-strip-extras: pip's hash mode refuses "gql" where another package asks for "gql[requests]".
    "$uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-strip-extras --universal --python-version "$oldest_python" \
        --custom-compile-command "make lock" --output-file "$output" "$@"
    echo "lock: $output: $(grep -c '^[^ #]' "$output") packages"
}

lock requirements/serving.txt pyproject.toml --extra serving "$@"
lock requirements/training.txt pyproject.toml --extra orchestration --extra kubernetes "$@"
lock requirements/dev.txt pyproject.toml --extra dev "$@"
lock requirements/build.txt --group build "$@"
lock requirements/moto.txt --group moto "$@"
lock requirements/cicflowmeter-needs.txt --group cicflowmeter-needs "$@"
oldest_python=3.12 lock requirements/cicflowmeter.txt --group cicflowmeter --no-deps --no-python-downloads "$@"
