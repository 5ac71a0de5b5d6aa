"""The catalogue: exactly 120 features, described in full, under a digest that changes with any of them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

from click.testing import CliRunner

from flows.catalogue import CATALOGUE, INDEX, NAMES, catalogue_digest, catalogue_json
from flows.cli import features


def test_there_are_120_features_with_names_of_their_own() -> None:
    assert len(CATALOGUE) == 120
    assert len(set(NAMES)) == 120
    assert tuple(feature.name for feature in CATALOGUE) == NAMES
    assert all(NAMES[position] == name for name, position in INDEX.items())
    assert len(INDEX) == 120


def test_every_feature_is_described_in_full() -> None:
    for feature in CATALOGUE:
        assert feature.name.isidentifier()
        assert feature.name.islower()
        assert feature.unit.strip()
        assert feature.formula.strip()
        assert feature.group in {"flow", "ports", "host", "pair"}


def test_addresses_labels_and_absolute_times_are_no_features() -> None:
    forbidden = {"start", "src_addr", "dst_addr", "src_port", "dst_port", "label", "sensor_id", "flow_id", "hour"}
    assert forbidden.isdisjoint(NAMES)


def test_the_digest_is_that_of_the_canonical_text() -> None:
    text = catalogue_json()
    assert catalogue_digest() == hashlib.sha256(text).hexdigest()
    document = json.loads(text)
    assert json.dumps(document, sort_keys=True, separators=(",", ":")).encode() == text
    assert [feature["name"] for feature in document["features"]] == list(NAMES)


def test_the_digest_covers_the_limits_of_the_state() -> None:
    assert json.loads(catalogue_json())["state"]


def test_the_digest_is_the_same_in_another_process() -> None:
    code = "from flows.catalogue import catalogue_digest; print(catalogue_digest())"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == catalogue_digest()


def test_features_prints_every_feature_as_plain_text_off_a_terminal() -> None:
    result = CliRunner().invoke(features)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    heading, *lines, last = result.output.splitlines()
    assert heading.split() == ["#", "name", "unit", "group", "formula"]
    assert [line.split()[1] for line in lines] == list(NAMES)
    assert len({line.index(feature.formula) for line, feature in zip(lines, CATALOGUE, strict=True)}) == 1
    assert catalogue_digest() in last


def test_features_as_json_is_the_catalogue_with_its_digest() -> None:
    result = CliRunner().invoke(features, ["--json"])
    assert result.exit_code == 0
    document = json.loads(result.output)
    digest = document.pop("digest")
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(text).hexdigest() == digest == catalogue_digest()
