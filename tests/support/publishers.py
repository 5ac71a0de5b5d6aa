"""Programs that use a registry at the same time: ``python -m tests.support.publishers publish|read LOCATION …``."""

from __future__ import annotations

import sys

from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.writing.lifecycle import promote, roll_back
from model_registry.writing.publishing import publish
from tests.support.registries import NOW
from tests.support.signers import ALICE


def cycle(location: str, model: str, cycles: int, signer: Signer = ALICE) -> None:
    """Promote version 1 of a model and roll back to version 2, so many times; say so now and then."""
    registry = Registry(location)
    for _ in range(cycles):
        publish(
            registry, lambda content: promote(content, model, 1, "champion"), signer, run_id=f"promote-{model}", now=NOW
        )
        publish(registry, lambda content: roll_back(content, model, 2), signer, run_id=f"rollback-{model}", now=NOW)


def read(location: str) -> None:
    """Load the registry until standard input ends, each time whole and never older; tell how often, and how many."""
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    times, seen = 0, [0]
    registry = Registry(location)
    while not _told_to_stop():
        loaded = registry.load(now=NOW)
        assert not loaded.refused, loaded.refused
        assert set(loaded.models) == {"anomaly_iforest", "ddos_lgbm", "malware_lgbm"}
        assert loaded.version >= seen[-1], f"version {loaded.version} after {seen[-1]}"
        times += 1
        if loaded.version != seen[-1]:
            seen.append(loaded.version)
    sys.stdout.write(f"{times} {len(seen) - 1}\n")


def _told_to_stop() -> bool:
    import select

    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        cycle(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        read(sys.argv[2])
