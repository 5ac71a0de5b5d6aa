#!/usr/bin/env bash
# What the tests need beside .venv: Java, Apache Kafka's jars, promtool, flow exporters, a browser and an object store.
# Run by `make real-parts`.
# Everything comes from the machine's own apt, mvn and pip; what is there already is left alone, so it can be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest_java=17

say() { printf 'real-parts: %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        say "asking sudo for: $*"
        sudo "$@"
    else
        say "this needs root and there is no sudo; as root, run: $*" >&2
        exit 1
    fi
}

apt_updated=
apt_update() {
    [ -n "$apt_updated" ] && return
    command -v apt-get >/dev/null || { say "no apt-get here; install by hand what is named above" >&2; exit 1; }
    as_root apt-get update -qq
    apt_updated=yes
}

apt_install() {
    apt_update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The same places, in the same order, as tests/support/kafka.py looks in.
has_java() {
    local program
    for program in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/java-*-openjdk-*/bin/java; do
        [ -x "$program" ] || continue
        local version
        version=$("$program" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
        [ "${version:-0}" -ge "$oldest_java" ] && return 0
    done
    return 1
}

java_and_maven() {
    local packages=()
    has_java || packages+=("openjdk-$oldest_java-jre-headless")
    command -v mvn >/dev/null || packages+=(maven)
    if [ ${#packages[@]} -gt 0 ]; then
        say "installing ${packages[*]}"
        apt_install "${packages[@]}"
    else
        say "Java and Maven are here"
    fi
}

# The folder is named by the digest of the jars' checksums: another version is another folder, and a folder that is
# there is complete, because it is renamed into place only after the checksums held.
kafka_jars() {
    local pins=deploy/kafka/SHA256SUMS digest folder fresh
    digest=$(sha256sum "$pins" | cut -c 1-16)
    folder="var/kafka/$digest"
    if [ -d "$folder" ]; then
        say "Apache Kafka's jars are here"
        return
    fi
    say "fetching Apache Kafka's jars with Maven (43 MB)"
    fresh="$PWD/var/kafka/$digest.partial"
    rm -rf "$fresh"
    mkdir -p "$fresh"
    # Maven resets a terminal's colours even where it used none.
    mvn --batch-mode --quiet --strict-checksums --file deploy/kafka/pom.xml \
        dependency:copy-dependencies -DoutputDirectory="$fresh" </dev/null 2>&1 | sed 's/\x1b\[[0-9;]*m//g'
    (cd "$fresh" && LC_ALL=C sha256sum --check --quiet --strict) <"$pins"
    mv "$fresh" "$folder"
}

# Unpacked and not installed: Debian's package would start a Prometheus server on this machine.
promtool() {
    local fresh=var/promtool.partial
    if [ -x var/promtool/promtool ]; then
        say "promtool is here"
        return
    fi
    say "unpacking promtool from Debian's prometheus package"
    apt_update
    rm -rf "$fresh"
    mkdir -p "$fresh"
    (cd "$fresh" && apt-get download -qq -o APT::Sandbox::User=root prometheus && dpkg-deb --extract prometheus_*.deb .)
    mkdir -p var/promtool
    mv "$fresh/usr/bin/promtool" var/promtool/promtool
    rm -rf "$fresh"
}

exporters_run() {
    local command out
    for command in "pmacctd -V" "nfacctd -V" "softflowd -h" "nfdump -V" "nfcapd -V" "nfpcapd -V" "argus -h" "ra -h" \
        "nginx -V"; do
        # Two of them exit with an error when asked this. A library that is missing is told instead of a version.
        # shellcheck disable=SC2086  # the program and its option
        out=$(TIDEGATE_EXPORTERS=$1 deploy/exporters/run.sh $command 2>&1 </dev/null) || true
        if ! grep -q '[Vv]ersion' <<<"$out"; then
            printf '%s: %s\n' "$command" "$out"
            return 1
        fi
    done
}

fetch_exporters() {
    rm -rf "$1"
    mkdir -p "$1/packages/partial"
    apt-get install --download-only -y -qq --no-install-recommends -o Dir::Cache::archives="$1/packages" \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
        pmacct softflowd nfdump argus-server argus-client nginx </dev/null
}

# And nginx, which the lab visits. Unpacked and not installed: Debian's packages would start daemons. With them come the
# libraries that this machine lacks. It needs no root where apt's lists are fresh.
exporters() {
    local folder=$PWD/var/exporters fresh=$PWD/var/exporters.partial package fault
    if [ -d "$folder" ] && exporters_run "$folder" >/dev/null; then
        say "the flow exporters and nginx are here"
        return
    fi
    say "unpacking the flow exporters pmacct, softflowd, nfdump and argus, and nginx (9 MB)"
    if ! fetch_exporters "$fresh" >/dev/null 2>&1; then
        apt_update
        fetch_exporters "$fresh" >/dev/null
    fi
    rm -f "$fresh"/packages/libc6_*.deb  # the machine's own, whatever apt thinks of its age
    for package in "$fresh"/packages/*.deb; do
        [ -e "$package" ] || continue  # all of them are installed
        dpkg-deb --extract "$package" "$fresh"
    done
    rm -rf "$fresh/packages"
    if ! fault=$(exporters_run "$fresh"); then
        say "an exporter, or nginx, does not run: $fault" >&2
        exit 1
    fi
    rm -rf "$folder"
    mv "$fresh" "$folder"
}

# A venv of its own, for a program that is no business of ours with what it needs: a check that it is there, the name, the
# folder, and its lock files. It is whole once it holds their digest.
own_venv() {
    local check=$1 name=$2 venv=$3 python=${PYTHON:-python3} digest
    shift 3
    digest=$(cat "$@" | sha256sum)
    if [ -e "$venv/locks" ] && [ "$(cat "$venv/locks")" = "$digest" ] && "$venv/bin/python" -c '' 2>/dev/null; then
        say "$name is here"
        return
    fi
    say "installing $name into $venv"
    sh deploy/check-machine.sh "$python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # The locks name all that is needed, and CICFlowMeter says that it needs a newer Python than it does.
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 "$venv/bin/python" -m pip install --quiet --require-hashes \
        --only-binary :all: --no-deps --ignore-requires-python "${@/#/--requirement=}"
    "$venv/bin/python" -c "$check"
    printf '%s\n' "$digest" >"$venv/locks"
}

# Debian's, with a font: Playwright's own download of a browser is another, and not locked.
browser() {
    if command -v chromium >/dev/null; then
        say "the browser is here"
        return
    fi
    say "installing Chromium"
    apt_install chromium fonts-dejavu-core
}

java_and_maven
kafka_jars
promtool
exporters
browser
own_venv 'import cicflowmeter.flow_session' CICFlowMeter var/cicflowmeter \
    requirements/cicflowmeter.txt requirements/cicflowmeter-needs.txt
own_venv 'import moto.server' "moto, the object store," var/moto requirements/moto.txt
say "all real parts are here"
