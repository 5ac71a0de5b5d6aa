"""The manifest ``model_registry.json``: what one version of the registry binds together.

It is TUF *targets* metadata. ``targets`` gives the length and SHA-256 of every blob, for any TUF library;
``content`` beside it says what the blobs are: per model its versions and which of them is champion, challenger and
shadow; and, for the registry as a whole, the feature catalogue, the rules, the math baselines and the ensemble.

:class:`Content` is what people and pipelines edit, as frozen data. :class:`Manifest` adds what publishing adds.
Whoever constructs a :class:`Manifest` from a file has verified its signatures first (:mod:`model_registry.trust`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from flows.errors import UsageError
from model_registry import canonical
from model_registry.blobs import MAX_BLOB
from model_registry.errors import TrustError
from model_registry.keys import Hex32

MANIFEST: Final = "model_registry.json"
SPEC_VERSION: Final = "1.0.31"

Slot = Literal["champion", "challenger", "shadow"]
SLOTS: Final[tuple[Slot, ...]] = ("champion", "challenger", "shadow")

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,127}\Z")]
ModelName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,63}\Z")]
Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f]*\Z", max_length=1000)]
BlobPath = Annotated[str, msgspec.Meta(pattern=r"\Ablobs/[0-9a-f]{64}\Z")]
DecimalText = Annotated[str, msgspec.Meta(pattern=r"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z", max_length=400)]
UtcTime = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]


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
    """All versions of one model by number, and the numbers in its three slots."""

    versions: dict[Positive, ModelVersion]
    champion: Positive | None = None
    challenger: Positive | None = None
    shadow: Positive | None = None

    def slots(self) -> dict[Slot, int]:
        """Return the slots that hold a version, with its number."""
        numbers = {"champion": self.champion, "challenger": self.challenger, "shadow": self.shadow}
        return {slot: number for slot in SLOTS if (number := numbers[slot]) is not None}


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a manifest says, apart from its version, expiry and signatures. Treat the dicts as frozen too."""

    models: dict[ModelName, Model]
    catalogue: BlobPath
    rules: BlobPath
    math: BlobPath
    ensemble: BlobPath

    def with_model(self, name: str, version: ModelVersion) -> Content:
        """Return the content with one more version of a model, numbered next, as its champion."""
        model = self.models.get(name, Model(versions={}))
        number = max(model.versions, default=0) + 1
        model = msgspec.structs.replace(model, versions={**model.versions, number: version}, champion=number)
        return msgspec.structs.replace(self, models={**self.models, name: model})

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


# What the first publication's edit starts from. Its blobs are unset, and until they are set nothing can be published.
EMPTY: Final = Content(models={}, catalogue="", rules="", math="", ensemble="")


class Hashes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A target's digests, as TUF has them."""

    sha256: Hex32


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What TUF says of a target: its length in bytes and its digests."""

    length: Annotated[int, msgspec.Meta(ge=0, le=MAX_BLOB)]
    hashes: Hashes


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"type": "_type"}):
    """The signed part of ``model_registry.json``. ``run_id`` is the run that published this version."""

    type: Literal["targets"]
    spec_version: Annotated[str, msgspec.Meta(pattern=r"\A1\.[0-9]{1,4}\.[0-9]{1,4}\Z")]
    version: Positive
    expires: UtcTime
    targets: dict[BlobPath, Target]
    published: UtcTime
    run_id: Name
    content: Content


def parse_manifest(signed: Mapping[str, Any]) -> Manifest:
    """Read a manifest's signed part, already verified. Raises TrustError for anything the schema does not have."""
    manifest = canonical.convert(signed, Manifest, MANIFEST)
    parse_time(manifest.expires, MANIFEST)
    _check_slots(manifest.content)
    _check_targets(manifest)
    return manifest


def parse_time(text: str, name: str) -> datetime:
    """Read a UTC time such as ``2030-01-31T12:00:00Z``. Raises TrustError, naming the file ``name``, for another."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise TrustError(f"{name}: {text!r} is not a time: {error}") from None


def format_time(time: datetime) -> str:
    """Write a time as metadata has it: UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal_text(value: float) -> str:
    """Write a number as metadata has it: the shortest decimal that reads back as the same float, without exponent.

    Raises UsageError for NaN and infinities, which have no decimal.
    """
    decimal = Decimal(repr(float(value)))
    if not decimal.is_finite():
        raise UsageError(f"{value!r} cannot stand in a manifest: leave out what could not be measured")
    return format(decimal, "f")


def _check_slots(content: Content) -> None:
    for name, model in content.models.items():
        for slot, number in model.slots().items():
            if number not in model.versions:
                raise TrustError(f"{MANIFEST}: the {slot} of {name} is version {number}, which is not there")


def _check_targets(manifest: Manifest) -> None:
    references = manifest.content.references()
    for path, what in references.items():
        if path not in manifest.targets:
            raise TrustError(f"{MANIFEST}: {path}, {what}, is not among its targets")
    for path, target in manifest.targets.items():
        if path not in references:
            raise TrustError(f"{MANIFEST}: nothing refers to the target {path}")
        if path != f"blobs/{target.hashes.sha256}":
            raise TrustError(f"{MANIFEST}: the target {path} does not bear the name of its digest")
