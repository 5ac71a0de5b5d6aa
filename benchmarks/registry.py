"""How long it takes to verify and load a registry, beside the least that anybody would have to do for it.

Every run is a process of its own, after its imports. numba's compiled kernel is loaded first, and told apart. The least
is reading the same files, one SHA-256 of each blob, the Ed25519 signatures of both metadata files, and taking the
arrays out of their containers, without looking at any of it.

    python -m benchmarks.registry [--registry DIR|URL] [--runs N]
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import click
from nacl.signing import VerifyKey
from safetensors import deserialize
from securesystemslib.formats import encode_canonical

from model_registry.artifact import artifact_from_bytes
from model_registry.registry import Registry
from model_registry.scoring import raw_scores

_MOST = 1 << 26  # bytes of a file


def milliseconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)


def least(place: str) -> None:
    """Do no more than any verifier must."""
    store = Registry(place).store
    root, manifest = (json.loads(store.read(name, _MOST).data) for name in ("1.root.json", "model_registry.json"))
    for document in (root, manifest):
        signed = str(encode_canonical(document["signed"])).encode()
        for signature in document["signatures"]:
            key = VerifyKey(bytes.fromhex(root["signed"]["keys"][signature["keyid"]]["keyval"]["public"]))
            key.verify(signed, bytes.fromhex(signature["sig"]))
    content = manifest["signed"]["content"]
    models = [model["versions"][str(model["champion"])]["artifact"] for model in content["models"].values()]
    for path in (*models, content["rules"], content["math"], content["ensemble"]):
        data = store.read(path, _MOST).data
        if hashlib.sha256(data).hexdigest() != path.removeprefix("blobs/"):
            raise ValueError(path)
        if path in models:
            deserialize(data)  # type: ignore[no-untyped-call]  # has no types


def load_kernel(place: str) -> None:
    """Score a model's golden vectors, which loads what numba compiled."""
    registry = Registry(place)
    manifest = registry.manifest()
    name = next(iter(manifest.content.models))
    champion = manifest.content.champion(name)
    if champion is None:
        raise ValueError(f"{name} has no champion")
    artifact = artifact_from_bytes(registry.target(manifest, champion.artifact))
    raw_scores(artifact.forest, artifact.golden_rows)


@click.command()
@click.option("--registry", default="var/registry", show_default=True, help="Folder or s3:// URL; one root in it.")
@click.option("--runs", type=click.IntRange(1), default=9, show_default=True, help="How many processes.")
@click.option("--once", is_flag=True, help="Measure in this process, and print JSON.")
def main(registry: str, runs: int, once: bool) -> None:
    """Print medians, extremes, and the ratio of loading to the least."""
    if once:
        took = {
            "kernel": milliseconds(lambda: load_kernel(registry)),
            "load": milliseconds(lambda: Registry(registry).load()),
            "least": milliseconds(lambda: least(registry)),
            "load again": milliseconds(lambda: Registry(registry).load()),
            "least again": milliseconds(lambda: least(registry)),
        }
        click.echo(json.dumps(took))
        return
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        command = [sys.executable, "-m", "benchmarks.registry", "--once", "--registry", registry]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        for name, taken in json.loads(done.stdout).items():
            found.setdefault(name, []).append(taken)
    for name, all_taken in found.items():
        click.echo(f"{name:12} {statistics.median(all_taken):7.1f} ms  ({min(all_taken):.1f} to {max(all_taken):.1f})")
    for suffix in ("", " again"):
        pairs = zip(found[f"load{suffix}"], found[f"least{suffix}"], strict=True)
        ratio = statistics.median(load / little for load, little in pairs)
        click.echo(f"load{suffix} / least{suffix}: {ratio:.1f}")


if __name__ == "__main__":
    main()
