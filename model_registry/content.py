"""What a manifest says: the models, their versions and slots, and what decides beside them.

:class:`Content` is what people and pipelines edit, as frozen data: every method returns a changed copy.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from model_registry.errors import Reason, TrustError
from model_registry.shapes import BlobPath, Count, DecimalText, Hex32, ModelName, Name, Positive, Text, UtcTime

Slot = Literal["champion", "challenger", "shadow"]
SLOTS: Final[tuple[Slot, ...]] = ("champion", "challenger", "shadow")
# Of each model; older ones stay in the history. A version takes about 3 KiB of the 1 MiB that a manifest may have.
KEPT_VERSIONS: Final = 20


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of one quality gate: what was measured against which limit, in words."""

    passed: bool
    detail: Text


class TrainingData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model was trained on: the SHA-256 of the rows, and how many there were."""

    sha256: Hex32
    rows: Count


class ModelVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trained model. ``artifact`` and ``card`` are paths of blobs, ``catalogue`` the feature catalogue's digest."""

    artifact: BlobPath
    card: BlobPath
    catalogue: Hex32
    threshold: DecimalText
    metrics: dict[Name, DecimalText]
    gates: dict[Name, Gate]
    data: TrainingData
    created: UtcTime
    run_id: Name
    code_version: Name

    @property
    def fingerprint(self) -> str:
        """The artifact's SHA-256, in hex."""
        return self.artifact.removeprefix("blobs/")


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The versions of one model by number, and the numbers in its three slots."""

    versions: dict[Positive, ModelVersion]
    champion: Positive | None = None
    challenger: Positive | None = None
    shadow: Positive | None = None

    def slots(self) -> dict[Slot, int]:
        """Return the slots that hold a version, with its number."""
        numbers = {"champion": self.champion, "challenger": self.challenger, "shadow": self.shadow}
        return {slot: number for slot in SLOTS if (number := numbers[slot]) is not None}

    def with_slots(self, slots: dict[Slot, int]) -> Model:
        """Return the model with these slots filled and the others empty."""
        return Model(versions=self.versions, **slots)

    def with_version(self, number: int, version: ModelVersion) -> Model:
        """Return the model with one more version, without the oldest that are too many and in no slot."""
        versions = {**self.versions, number: version}
        newest = sorted(versions)[-KEPT_VERSIONS:]
        kept = {*newest, *self.slots().values()}
        return msgspec.structs.replace(
            self, versions={number: version for number, version in versions.items() if number in kept}
        )


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a manifest says, apart from its version, expiry and signatures. Treat the dicts as frozen too."""

    models: dict[ModelName, Model]
    catalogue: BlobPath
    rules: BlobPath
    math: BlobPath
    ensemble: BlobPath

    def with_model(self, name: str, version: ModelVersion, slot: Slot = "champion") -> Content:
        """Return the content with one more version of a model, numbered next, in a slot of its own."""
        model = self.models.get(name, Model(versions={}))
        number = max(model.versions, default=0) + 1
        model = model.with_slots({**model.slots(), slot: number}).with_version(number, version)
        return self.with_models({name: model})

    def with_models(self, models: dict[str, Model]) -> Content:
        """Return the content with these models added or replaced."""
        return msgspec.structs.replace(self, models={**self.models, **models})

    def with_blobs(
        self,
        *,
        catalogue: str | None = None,
        rules: str | None = None,
        math: str | None = None,
        ensemble: str | None = None,
    ) -> Content:
        """Return the content with other blobs (their paths) for the registry as a whole; None keeps the present one."""
        given = {"catalogue": catalogue, "rules": rules, "math": math, "ensemble": ensemble}
        return msgspec.structs.replace(self, **{name: path for name, path in given.items() if path is not None})

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version of a model that is to decide, or None if there is none."""
        model = self.models.get(name)
        return None if model is None or model.champion is None else model.versions[model.champion]

    def references(self) -> dict[str, str]:
        """Return the path of every blob that is referred to, with what it is, for messages."""
        found = {
            self.catalogue: "the feature catalogue",
            self.rules: "the rules",
            self.math: "the math baselines",
            self.ensemble: "the ensemble",
        }
        for name, model in self.models.items():
            for number, version in model.versions.items():
                found.setdefault(version.artifact, f"the artifact of {name} version {number}")
                found.setdefault(version.card, f"the model card of {name} version {number}")
        return found

    def in_use(self) -> set[str]:
        """Return the paths of the blobs that serving reads: the shared ones, and the artifacts in slots."""
        slots = {model.versions[number].artifact for model in self.models.values() for number in model.slots().values()}
        return {self.catalogue, self.rules, self.math, self.ensemble} | slots


# What the first publication's edit starts from. Its blobs are unset, and until they are set nothing can be published.
EMPTY: Final = Content(models={}, catalogue="", rules="", math="", ensemble="")


def check_slots(content: Content, name: str) -> None:
    """Raise TrustError, naming the file ``name``, if a slot holds a version that is not there."""
    for model_name, model in content.models.items():
        for slot, number in model.slots().items():
            if number not in model.versions:
                raise TrustError(
                    f"{name}: the {slot} of {model_name} is version {number}, which is not there", Reason.MALFORMED
                )
