"""Spoiling a registry's files, and holding that verification notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from model_registry import canonical
from model_registry.keys import Signer
from model_registry.registry import Registry
from tests.support.command import Outcome, tidegate_command

MANIFEST: Final = "model_registry.json"
ROOT: Final = "1.root.json"
BLOBS: Final = ("catalogue", "rules", "math", "ensemble", "artifact", "card")

Document = dict[str, Any]


def verify(registry: Path, *options: object) -> Outcome:
    return tidegate_command("registry", "verify", "--registry", registry, *options)


def assert_refused(registry: Path, file: str, reason: str = "", *options: object) -> None:
    """Hold that verification fails for ``file``, for that reason, by the exit code, the report and the message."""
    code, out, err = verify(registry, *options)
    assert code == 3
    failed = [line for line in out.splitlines() if line.startswith(f"FAILED {file}  ")]
    assert failed, f"{file} is not named in:\n{out}"
    assert reason in failed[0]
    assert file in err
    assert "Traceback" not in out + err


def blob_of(registry: Path, what: str) -> str:
    content = Registry(registry).manifest().content
    champion = content.champion("ddos_lgbm")
    assert champion is not None
    paths = {
        "catalogue": content.catalogue,
        "rules": content.rules,
        "math": content.math,
        "ensemble": content.ensemble,
        "artifact": champion.artifact,
        "card": champion.card,
        "old artifact": content.models["ddos_lgbm"].versions[1].artifact,
    }
    return paths[what]


def edit(path: Path, change: Callable[[Document], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(canonical.file_bytes(document))


def sign_anew(path: Path, signer: Signer, change: Callable[[Document], object]) -> None:
    """Change the signed part, and sign it well: what only the holder of the key could do."""

    def change_and_sign(document: Document) -> None:
        change(document["signed"])
        signature = signer.sign(canonical.signed_bytes(document["signed"]))
        document["signatures"] = [{"keyid": signer.keyid, "sig": signature}]

    edit(path, change_and_sign)
