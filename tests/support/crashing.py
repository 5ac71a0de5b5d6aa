"""A program that is killed at every step of what writers do: ``python -m tests.support.crashing SCENARIO LOCATION``.

For each step of a scenario it lays a registry out anew, forks, and lets the child act until that step, where it kills
itself with SIGKILL. Then it looks at what is left, as readers and the next writers would, and tells what it saw. In a
folder a step is every opening, renaming, deleting, making and syncing of a file, every lock, and the middle of every
write; in an object store, before and after every request that writes.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from model_registry.content import Content
from model_registry.errors import Reason
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.collection import collect
from model_registry.writing.lifecycle import go_back, promote
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import Restore, RootChange, Rotated, find_kept, rotate
from model_registry.writing.signing import sign_proposal
from tests.support.registries import NOW, files_of, publish_edit, publish_models, same
from tests.support.signers import ALICE, BOB, CAROL, ROOT, shared_registry

_EVENTS: Final = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "fcntl.flock"}
_MOST_STEPS: Final = 2000


@dataclass(frozen=True)
class Scenario:
    """What is there before, and what is done to it."""

    make: Callable[[Path], Registry]
    act: Callable[[Registry], object]


def _alone(folder: Path) -> Registry:
    registry = shared_registry(folder, ALICE)
    publish_models(registry, ALICE)
    return registry


def _together(folder: Path) -> Registry:
    registry = shared_registry(folder, ALICE, BOB, CAROL, threshold=2)
    publish(registry, publish_edit(registry, ("new_model",)), ALICE, run_id="run-9", now=NOW)
    return registry


def _with_leftovers(folder: Path) -> Registry:
    registry = _alone(folder)
    publish(registry, lambda content: content.with_blobs(rules=registry.put_blob(b"rules: [new]\n").path), ALICE,
            run_id="run-9", now=NOW)  # fmt: skip
    (folder / "blobs" / ("a" * 64)).write_bytes(b"orphan")
    return registry


def _edited(edit: Callable[[Registry, Content], Content]) -> Callable[[Registry], object]:
    return lambda registry: publish(registry, lambda content: edit(registry, content), ALICE, run_id="r", now=NOW)


def _rotated(role: Any, restore: int | None = None) -> Callable[[Registry], object]:
    old, new = (ALICE, BOB) if role == "targets" else (ROOT, CAROL)
    change = RootChange(add=[(role, new.public, "new")], remove=[(role, old.keyid)])

    def act(registry: Registry) -> Rotated:
        back = None if restore is None else Restore(restore, find_kept(registry, restore, now=NOW).sha256)
        return rotate(registry, change, [ROOT, new], run_id="by-hand", restore=back, now=NOW)

    return act


def _sign(registry: Registry) -> None:
    sign_proposal(registry, "", BOB, now=NOW)


SCENARIOS: Final = {
    "publish": Scenario(_alone, _edited(lambda registry, content: publish_edit(registry, ("new_model",))(content))),
    "promote": Scenario(_alone, _edited(lambda _, content: promote(content, "ddos_lgbm", 1, "champion"))),
    "rollback": Scenario(_alone, _edited(lambda _, content: go_back(content, content))),
    "propose": Scenario(_together, lambda registry: publish(registry, same, CAROL, run_id="r", now=NOW)),
    "sign": Scenario(_together, _sign),
    "rotate-targets": Scenario(_alone, _rotated("targets")),
    "rotate-root": Scenario(_alone, _rotated("root")),
    "restore": Scenario(_alone, _rotated("targets", restore=1)),
    "gc": Scenario(_with_leftovers, lambda registry: collect(registry, keep=1, now=NOW)),
}


def crash_at_every_step(name: str, location: str) -> int:
    """Return how many steps the scenario has. Raises AssertionError when something broken is left."""
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory() as folder:
        made = scenario.make(Path(folder) / "made")
        files = files_of(made)
        before = _seen(made)
        scenario.act(Registry(made.path))
        after = _seen(made)
    for step in range(1, _MOST_STEPS):
        place = f"{location}/{step}"
        _lay(place, files)
        if not _killed(scenario, step, place):
            assert _seen(Registry(place)) == after
            return step - 1
        _look(Registry(place), (before, after), step)
        if "://" not in place:
            shutil.rmtree(place)
    raise AssertionError(f"{name} has more than {_MOST_STEPS} steps")


def _lay(place: str, files: dict[str, bytes]) -> None:
    if "://" not in place:
        Path(place).mkdir(parents=True)
    store = Registry(place).store
    for name, data in files.items():
        store.put(name, data)


def _seen(registry: Registry) -> tuple[int, Content]:
    loaded = registry.load(now=NOW)
    assert not loaded.refused
    return loaded.version, loaded.content


def _look(registry: Registry, expected: tuple[object, object], step: int) -> None:
    """Hold that readers find the old or the new, that nothing else is wrong than leftovers, and that life goes on."""
    assert _seen(registry) in expected, f"step {step}: neither the old nor the new"
    for failure in verify_registry(registry, now=NOW).failures:
        assert failure.reason is Reason.UNACCOUNTED, f"step {step}: {failure}"
    trusted = registry.trusted_roots(now=NOW).root
    if trusted.roles.targets.threshold == 1:
        signer = ALICE if ALICE.keyid in trusted.roles.targets.keyids else BOB
        assert publish(registry, same, signer, run_id="next", now=NOW).in_force
    collect(registry, now=NOW)
    failures = verify_registry(registry, now=NOW).failures
    assert not failures, f"step {step}: {failures}"
    _seen(registry)


def _killed(scenario: Scenario, step: int, place: str) -> bool:
    """Act in a child that dies at this step; tell whether it did, or else came to the end before."""
    child = os.fork()
    if child == 0:
        _act_until(scenario, step, place)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, f"step {step}: the operation failed"
    return False


def _act_until(scenario: Scenario, last: int, place: str) -> NoReturn:
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        if "://" in place:
            _count_requests(step)
        else:
            _count_calls(step)
        scenario.act(Registry(place))
    except BaseException as error:  # noqa: BLE001  (a forked child must not return into its parent's stack)
        print(repr(error), file=sys.stderr)  # noqa: T201  (the parent's test shows it)
        os._exit(1)
    os._exit(0)


def _count_calls(step: Callable[[], None]) -> None:
    fsync, fdopen = os.fsync, os.fdopen

    def stepping_fsync(handle: int) -> None:
        step()
        fsync(handle)
        step()

    def halving_fdopen(handle: int, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = fdopen(handle, mode, *args, **kwargs)
        if mode != "wb":
            return file
        write = file.write

        class Halving:
            """A file whose writes reach the disk in two halves."""

            def __enter__(self) -> Halving:
                return self

            def __exit__(self, *exc: object) -> None:
                file.close()

            def write(self, data: bytes) -> None:
                write(data[: len(data) // 2])
                file.flush()
                step()
                write(data[len(data) // 2 :])

            flush, fileno = file.flush, file.fileno

        return Halving()

    os.fsync, os.fdopen = stepping_fsync, halving_fdopen  # type: ignore[assignment]  # narrower than the originals
    sys.addaudithook(lambda event, _: step() if event in _EVENTS else None)


def _count_requests(step: Callable[[], None]) -> None:
    from model_registry.stores.objects import ObjectStore

    for name in ("put", "swap", "remove"):
        method = getattr(ObjectStore, name)

        def stepping(store: ObjectStore, *args: Any, method: Callable[..., None] = method) -> None:
            step()
            method(store, *args)
            step()

        setattr(ObjectStore, name, stepping)


if __name__ == "__main__":
    steps = crash_at_every_step(sys.argv[1], sys.argv[2])
    print(f"{sys.argv[1]}: killed at each of {steps} steps")  # noqa: T201  (this is a program)
