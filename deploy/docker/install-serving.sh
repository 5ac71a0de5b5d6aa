#!/usr/bin/env bash
# Install Tidegate's serving half alone, into a folder of its own: what the container image holds.
#
#   install-serving.sh PREFIX      PREFIX must not exist; PYTHON=… names another Python than python3
#
# The folder holds a virtual environment without pip, the locked requirements, the packages that serving needs (training
# and orchestration are not copied), and the compiled kernels. No compiler is needed, and nothing but Python's own
# package index is asked. The folder must stay where it was made.
set -euo pipefail

prefix=${1:?usage: install-serving.sh PREFIX}
python=${PYTHON:-python3}
repository=$(cd "$(dirname "$0")/../.." && pwd)
rooms=(flows model_registry detection serving)

if [ -e "$prefix" ]; then
    echo "install-serving: $prefix is there already; name a folder that does not exist" >&2
    exit 1
fi
mkdir -p "$(dirname "$prefix")"
prefix=$(cd "$(dirname "$prefix")" && pwd)/$(basename "$prefix")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { echo "install-serving: $*"; }

say "making $prefix with $("$python" --version)"
"$python" -m venv --without-pip "$prefix"
"$python" -m venv "$scratch/tools"
pip=("$scratch/tools/bin/python" -m pip --quiet)
"${pip[@]}" install --require-hashes --only-binary :all: -r "$repository/requirements/build.txt"

say "installing the locked requirements"
"${pip[@]}" --python "$prefix/bin/python" install --no-compile --require-hashes --only-binary :all: \
    -r "$repository/requirements/serving.txt"

say "installing Tidegate: ${rooms[*]}"
mkdir "$scratch/source"
for file in pyproject.toml tidegate.py LICENSE README.md; do
    [ ! -f "$repository/$file" ] || cp "$repository/$file" "$scratch/source/"
done
for room in "${rooms[@]}"; do
    cp -R "$repository/$room" "$scratch/source/"
done
find "$scratch/source" -name __pycache__ -type d -prune -exec rm -rf {} +
"${pip[@]}" wheel --no-build-isolation --no-deps --no-index --wheel-dir "$scratch/wheel" "$scratch/source"
"${pip[@]}" --python "$prefix/bin/python" install --no-compile --no-deps --no-index "$scratch"/wheel/*.whl
install -m 0755 "$repository/deploy/docker/tidegate-container" "$prefix/bin/"

# Bytecode that is trusted without looking at the sources' times, which an image's layers may round.
say "compiling"
"$prefix/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$prefix/lib"
# Kernels for a generic CPU: they run on every node, where numba would otherwise compile for each kind of CPU anew.
NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR="$prefix/kernels" "$prefix/bin/python" -I "$repository/deploy/docker/compile_kernels.py"

say "checking"
"$prefix/bin/python" -I - <<'CHECK'
import importlib.metadata
import importlib.util
import sys

unwanted = ["training", "orchestration", "dagster", "lightgbm", "pandas", "sklearn", "scipy", "joblib", "pip", "setuptools"]
present = [name for name in unwanted if importlib.util.find_spec(name)]
if present:
    sys.exit(f"install-serving: must not be installed for serving, but is: {', '.join(present)}")
print(f"install-serving: Tidegate {importlib.metadata.version('tidegate')} serves from {sys.prefix}")
CHECK
