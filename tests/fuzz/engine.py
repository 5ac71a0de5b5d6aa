"""One fuzz target under atheris, in a process of its own: ``python -m tests.fuzz.engine TARGET [ARGUMENTS]``."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence
from typing import Final

import atheris

PACKAGES: Final = ["flows", "model_registry", "serving"]  # what is instrumented, so nothing of them is imported above
KERNELS: Final = ["model_registry.scoring"]  # what is not: numba compiles it, and only as it is written


def fuzz(target: str, arguments: Sequence[str]) -> None:
    """Fuzz until the arguments say to stop, or something is found. Ends the process."""
    with atheris.instrument_imports(include=PACKAGES, exclude=KERNELS):
        module = importlib.import_module(f"tests.fuzz.{target}")
    gc.freeze()  # what was imported stays
    atheris.Setup([target, *arguments], module.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2:])
