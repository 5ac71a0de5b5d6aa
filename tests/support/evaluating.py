"""``tidegate evaluate`` in tests: the command, its document, and files whose figures can be counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_registry.registry import Registry
from tests.support.command import Outcome, tidegate_command
from tests.support.serving import flow


def run(registry: Registry, *arguments: object) -> Outcome:
    return tidegate_command("evaluate", "--registry", registry.path, *arguments)


def figures(registry: Registry, *arguments: object) -> dict[str, Any]:
    """The document of an evaluation that succeeds."""
    code, out, err = run(registry, *arguments, "--json")
    assert (code, err) == (0, "")
    document: dict[str, Any] = json.loads(out)
    return document


def write(file: Path, flows: Sequence[bytes]) -> Path:
    file.write_bytes(b"\n".join(flows))
    return file


def labelled_flows(*groups: tuple[int, str, str], host: str = "10.0.0.1", step: float = 1.0) -> list[bytes]:
    """So many flows, decided to be of that kind, with that label; one after the other."""
    kinds = [(kind, label) for count, kind, label in groups for _ in range(count)]
    return [flow(at * step, kind, host, label=label) for at, (kind, label) in enumerate(kinds)]
