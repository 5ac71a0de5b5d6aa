"""``make fuzz``: run each target for a while, tell what it tried, keep what it found under ``var/fuzz``.

Ends with 1 when something was found, or where atheris is not installed. Under CI the dice are the same on every run.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from tests.fuzz import seeds

TARGETS: Final = ("fuzz_decoders", "fuzz_files", "fuzz_messages", "fuzz_registry")
FOLDER: Final = Path("var/fuzz")
_HANG_S: Final = 10
_MEMORY_MB: Final = 1024
_ROUND: Final = 40_000  # executions of a process: atheris never frees what instrumented comparisons of arrays give
_LONGEST: Final = 8192  # bytes of an input
_SHOWN: Final = 40  # lines of what the fuzzer said last
_DONE: Final = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)")


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(TARGETS))
@click.option("--seconds", type=click.FloatRange(min=1), default=18, show_default=True, help="For each target.")
def main(targets: tuple[str, ...], seconds: float) -> None:
    """Run the targets, all by default, one after the other."""
    if importlib.util.find_spec("atheris") is None:
        raise click.ClickException("atheris is not installed; it has wheels for CPython on 64-bit Linux only")
    clean = [run(name, seconds) for name in targets or TARGETS]
    if not all(clean):
        sys.exit(1)


def run(name: str, seconds: float) -> bool:
    """Fuzz one target in rounds, each a process of its own; return whether nothing was found."""
    ends = time.monotonic() + seconds
    given = arguments(name, FOLDER / name)
    runs = rounds = 0
    while (left := ends - time.monotonic()) > 0:
        rounds += 1
        result = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.engine", *given, *bounds(rounds, left)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = result.stdout.decode(errors="backslashreplace")
        done = _DONE.search(said)
        if result.returncode or done is None:
            click.echo("\n".join(said.splitlines()[-_SHOWN:]))
            click.echo(f"{name}: FOUND SOMETHING (exit code {result.returncode}), kept in {FOLDER / name}.")
            click.echo(f"To see it again: {sys.executable} -m tests.fuzz.engine {name} {FOLDER / name}/…")
            return False
        executed, covered, ways, kept = (int(number) for number in done.groups())
        runs += executed
    click.echo(
        f"{name}: nothing found in {runs:,} executions and {seconds:.0f} s; "
        f"{covered} places covered, {ways} ways through them, by {kept} inputs"
    )
    return True


def bounds(number: int, seconds: float) -> list[str]:
    """Bound a round, and throw its dice: the same in each run under CI."""
    return [
        f"-max_total_time={max(1, round(seconds))}",
        f"-runs={_ROUND}",
        f"-seed={number if os.environ.get('CI') else 0}",  # 0: other dice each time
    ]


def arguments(name: str, folder: Path) -> list[str]:
    """Write a target's seeds and dictionary; return what the engine is to be given about them."""
    module = importlib.import_module(f"tests.fuzz.{name}")
    corpus, first = folder / "corpus", folder / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    first.mkdir(exist_ok=True)
    for number, seed in enumerate(module.seeds()):
        (first / str(number)).write_bytes(seed)
    words = folder / "dictionary"
    words.write_text(seeds.dictionary(getattr(module, "words", seeds.words)()))
    return [
        name,
        str(corpus),  # grows from run to run
        str(first),
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        f"-max_len={_LONGEST}",
        f"-timeout={_HANG_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
    ]


if __name__ == "__main__":
    sys.exit(main())
