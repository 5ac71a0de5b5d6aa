"""The JSON Schemas of the metadata, held to the types that the code reads it by.

Whatever the types refuse the schema refuses, and whatever our reader accepts the schema accepts. In between is what
no schema can say, such as a slot without its version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from model_registry import canonical
from model_registry.errors import TrustError
from model_registry.manifest import Manifest, parse_manifest
from model_registry.root import MAX_KEYS, Root, parse_root
from model_registry.signatures import MAX_SIGNATURES, Envelope
from tests.support.spoiling import Document, at, places, spoilt
from tests.support.vectors import FORMAT, VECTORS


def schema(name: str) -> Draft202012Validator:
    document = json.loads((FORMAT / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


ROOT, MANIFEST = schema("root"), schema("manifest")


def without_references(validator: Draft202012Validator) -> Draft202012Validator:
    """Return one for the same schema with its references followed, which takes half the time."""

    def followed(value: Any) -> Any:
        if isinstance(value, list):
            return [followed(member) for member in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return followed(validator.schema["$defs"][value["$ref"].removeprefix("#/$defs/")])
        return {key: followed(member) for key, member in value.items() if key != "$defs"}

    return Draft202012Validator(followed(validator.schema))


def example(name: str) -> Document:
    document: Document = json.loads((VECTORS / name).read_text())
    return document


def fits_types(document: Document, shape: type[Root | Manifest]) -> bool:
    try:
        envelope = canonical.convert(document, Envelope, "x")
        canonical.convert(envelope.signed, shape, "x")
    except TrustError:
        return False
    return len(envelope.signatures) <= MAX_SIGNATURES


def is_accepted(document: Document, parse: Callable[[Mapping[str, Any], str], object]) -> bool:
    try:
        parse(canonical.convert(document, Envelope, "x").signed, "x")
    except TrustError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "validator", "shape", "parse"),
    [
        ("fresh/1.root.json", without_references(ROOT), Root, parse_root),
        ("targets-rotated/model_registry.json", without_references(MANIFEST), Manifest, parse_manifest),
    ],
)
def test_the_schema_and_the_types_refuse_the_same(
    name: str,
    validator: Draft202012Validator,
    shape: type[Root | Manifest],
    parse: Callable[[Mapping[str, Any], str], object],
) -> None:
    document = example(name)
    assert validator.is_valid(document)
    refused = accepted = 0
    for what, changed in spoilt(document):
        if not fits_types(changed, shape):
            refused += 1
            assert not validator.is_valid(changed), f"{what}: the types refuse it, and the schema does not"
        elif is_accepted(changed, parse):
            accepted += 1
            assert validator.is_valid(changed), f"{what}: the reader accepts it, and the schema does not"
    assert refused > 1000
    assert accepted > 30


def test_the_schemas_limit_signatures_and_keys_as_the_reader_does() -> None:
    document = example("fresh/1.root.json")
    document["signatures"] *= MAX_SIGNATURES
    assert ROOT.is_valid(document)
    document["signatures"].append(document["signatures"][0])
    assert not ROOT.is_valid(document)
    document = example("fresh/1.root.json")
    (key, *_) = document["signed"]["keys"].values()
    document["signed"]["keys"] = {f"{number:064x}": key for number in range(MAX_KEYS)}
    assert ROOT.is_valid(document)
    document["signed"]["keys"]["f" * 64] = key
    assert not ROOT.is_valid(document)


def test_the_schemas_say_of_the_vectors_what_the_types_say() -> None:
    said = {True: 0, False: 0}
    for pattern, validator, shape in (("*.root.json", ROOT, Root), ("model_registry.json", MANIFEST, Manifest)):
        for path in VECTORS.glob(f"*/{pattern}"):
            try:
                document = canonical.parse_file(path.read_bytes(), path.name)
            except TrustError:
                continue  # not in the layout, which is no schema's matter
            valid = validator.is_valid(document)
            assert valid == fits_types(document, shape), path
            said[valid] += 1
    assert min(said.values()) > 10


def test_patterns_mean_the_same_in_every_language() -> None:
    for validator in (ROOT, MANIFEST):
        for pattern in _patterns(validator.schema):
            assert pattern.startswith("^")
            assert pattern.endswith(r"$(?!\n)")  # where $ also matches before a newline at the end
            assert not any(
                dialect in pattern for dialect in (r"\A", r"\Z", r"\z", r"\d", r"\w", r"\s", r"\U", r"\p", "(?P")
            )


def _patterns(value: object) -> Iterator[str]:
    for place in places(value):
        if place and place[-1] == "pattern":
            yield str(at(value, place))
