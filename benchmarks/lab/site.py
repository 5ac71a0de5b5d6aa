"""The web site: nginx's settings and the files that it serves."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from benchmarks.lab.plan import WEB

PAGES: Final = 40
ASSETS: Final = 60
DOWNLOAD_BYTES: Final = 400_000

# Its time limits are those of a server that somebody has hardened, so that slow attacks have to come again. A form is
# read as a whole before it is passed on, as nginx does by default.
_SETTINGS: Final = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
error_log stderr crit;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nopush on;
    sendfile on;
    keepalive_timeout 12s;
    keepalive_requests 100;
    client_header_timeout 15s;
    client_body_timeout 15s;
    server {{
        listen {web}:80 backlog=511;
        root {folder}/files;
        location = /health {{ return 200 "ok\\n"; }}
        location = /form {{ proxy_pass http://unix:{folder}/form.socket:; }}
    }}
    server {{
        listen unix:{folder}/form.socket;
        location / {{ return 200 "thank you for writing to us\\n"; }}
    }}
}}
"""


def write_site(folder: Path, rng: Random) -> Path:
    """Write a site of pages and of what they are made of, sizes log-normal, and nginx's settings; return these."""
    files = folder / "files"
    files.mkdir(parents=True)
    folder.chmod(0o755)  # nginx's worker is another user
    sizes = {f"page-{number}": rng.lognormvariate(8.7, 0.8) for number in range(PAGES)}
    sizes |= {f"asset-{number}": rng.lognormvariate(9.3, 1.2) for number in range(ASSETS)}
    sizes["download"] = DOWNLOAD_BYTES
    for name, size in sizes.items():
        (files / name).write_bytes(rng.randbytes(min(int(size), DOWNLOAD_BYTES)))
    settings = folder / "nginx.conf"
    settings.write_text(_SETTINGS.format(folder=folder, web=WEB))
    return settings
