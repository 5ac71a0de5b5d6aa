"""One training at a time on an asset store: of `tidegate train`, which no queue of Dagster's sees.

Runs that Dagster launches wait for each other as their pool says (dagster.yaml).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from flows.errors import TidegateError

LOCK: Final = ".training.lock"


@contextmanager
def only_training(store: Path) -> Iterator[None]:
    """Hold the store's lock; it is let go with the process, however that ends.

    Raises TidegateError at once if another training holds it.
    """
    store.mkdir(parents=True, exist_ok=True)
    with (store / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TidegateError(
                f"another training is writing to {store}; wait until it has ended, or give --store another folder"
            ) from None
        yield
