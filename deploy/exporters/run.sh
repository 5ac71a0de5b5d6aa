#!/bin/sh
# Run a flow exporter that `make real-parts` unpacked: run.sh PROGRAM [ARGUMENT …], where PROGRAM is argus, ra, softflowd,
# nfdump, nfcapd, nfpcapd, pmacctd or nfacctd. Times are written in UTC; one that is installed is found as well.
set -eu

root=${TIDEGATE_EXPORTERS:-$(cd "$(dirname "$0")/../.." && pwd)/var/exporters}
# Only what this machine lacked lies there, so none of its own libraries is hidden.
for folder in "$root"/usr/lib/*-linux-gnu*; do
    LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH PATH="$root/usr/bin:$root/usr/sbin:$PATH:/usr/sbin" TZ=UTC
exec "$@"
