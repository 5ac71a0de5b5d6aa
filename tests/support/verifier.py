"""The verifier in another language that stands beside the page on the registry's format.

It is in Perl, which is on every machine that has git, and so wherever the tests run. Of Java, `make real-parts` brings
only the runtime, which cannot compile.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.real import missing
from tests.support.vectors import FORMAT, read_index

VERIFIER: Final = FORMAT / "verifier" / "verify.pl"


def run_verifier(registry: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it on a registry, if there is what it needs, for the catalogue of the vectors."""
    for program in ("perl", "openssl"):
        if shutil.which(program) is None:
            missing(f"no {program}", f"run `apt-get install {program}`")
    command = ["perl", "-w", str(VERIFIER), "--catalogue", read_index()["catalogue"], *options, str(registry)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
