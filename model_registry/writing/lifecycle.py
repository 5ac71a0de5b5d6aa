"""Moving models between slots: edits of a manifest's content, each to be published as a new version.

Going back is publishing, too: a new and higher version that points at an old model, so that it leaves a trace and
no reader takes it for an old manifest put back.
"""

from __future__ import annotations

from flows.errors import UsageError
from model_registry.content import SLOTS, Content, Model, Slot
from model_registry.errors import GateError


def promote(content: Content, name: str, number: int | None, slot: Slot) -> Content:
    """Put a version of a model into a slot, the challenger by default; it leaves the slot that it was in.

    Raises UsageError if there is no such model or version, or the slot holds it already, and GateError for a
    champion that did not pass all its gates.
    """
    model = model_of(content, name)
    if number is None:
        if model.challenger is None:
            raise UsageError(f"{name} has no challenger; choose by --version among {numbers(model)}")
        number = model.challenger
    return _with_slot(content, name, number, slot)


def roll_back(content: Content, name: str, number: int) -> Content:
    """Make a version of a model champion again. Raises as :func:`promote`."""
    return _with_slot(content, name, number, "champion")


def go_back(content: Content, old: Content) -> Content:
    """Return to what an older manifest said: its slots, rules, baselines, ensemble and catalogue.

    Versions that came later stay on record; models that did not exist then lose their slots.
    """
    models = {name: model.with_slots({}) for name, model in content.models.items() if name not in old.models}
    for name, before in old.models.items():
        model = content.models.get(name, Model(versions={})).with_slots(before.slots())
        for number in sorted({*before.slots().values()}):
            model = model.with_version(number, before.versions[number])
        models[name] = model
    return content.with_models(models).with_blobs(
        catalogue=old.catalogue, rules=old.rules, math=old.math, ensemble=old.ensemble
    )


def champion_before(contents: list[Content], name: str) -> int:
    """Return the champion that a model had before its present one. ``contents`` are those in force, newest first.

    Raises UsageError if none is on record.
    """
    champions = [content.models[name].champion for content in contents if name in content.models]
    for number in champions:
        if number is not None and number != champions[0]:
            return number
    raise UsageError(f"{name} has had no other champion, as far as the history is kept; choose one by --version")


def model_of(content: Content, name: str) -> Model:
    """Return a model by its name. Raises UsageError if there is none, naming those there are."""
    model = content.models.get(name)
    if model is None:
        names = ", ".join(sorted(content.models)) or "none"
        raise UsageError(f"there is no model {name!r} in the registry; there are: {names}")
    return model


def numbers(model: Model) -> str:
    """Return the numbers of a model's versions, for messages."""
    return ", ".join(str(number) for number in sorted(model.versions))


def _with_slot(content: Content, name: str, number: int, slot: Slot) -> Content:
    model = model_of(content, name)
    if number not in model.versions:
        raise UsageError(f"{name} has no version {number}; there are: {numbers(model)}")
    slots = model.slots()
    if slots.get(slot) == number:
        raise UsageError(f"version {number} of {name} is its {slot} already")
    failed = [gate for gate, result in model.versions[number].gates.items() if not result.passed]
    if slot == "champion" and failed:
        raise GateError(f"version {number} of {name} did not pass {', '.join(failed)}, so it cannot be its champion")
    kept = {other: held for other in SLOTS if (held := slots.get(other)) is not None and held != number}
    return content.with_models({name: model.with_slots({**kept, slot: number})})
