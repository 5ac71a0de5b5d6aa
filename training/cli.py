"""``tidegate evaluate``: labelled flow files to metrics, decided as the serving process decides."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np
import numpy.typing as npt

from detection.detector import Detector
from detection.engines.math import baselines_from_json
from detection.engines.rules import parse_rules
from detection.ensemble import ensemble_from_json
from flows.batch import FlowBatch
from flows.errors import UsageError
from flows.files import FileChunk, FileSpec, parse_spec, read_flows
from flows.formats import FORMATS
from flows.keying import DEFAULT_HOME, HomeNetworks
from flows.labels import is_understood
from model_registry.commands.options import min_version_option, registry_option, root_option, state_option
from model_registry.errors import Reason, TrustError
from model_registry.registry import Loaded, Registry
from training.assembly import fitted_flows
from training.datasets import load_site
from training.datasets.known import known
from training.datasets.mixing import lay_over
from training.errors import TrainingError
from training.judging import field_test
from training.report import document, page_writer, print_tables
from training.report.gathering import Gathering
from training.report.watch import FeatureWatch
from training.streams import cut, labelled, mixed, whole

TITLE: Final = "Evaluation of a registry"
NOTES: Final = (
    "Labelled flow files, decided flow by flow as serving decides them, and compared with their truth. Thresholds are "
    "those that were fixed in training. Each file is a stream of its own; on this page it is called a capture.",
)
_CHUNK_LINES: Final = 8192
_LABELS: Final = 1000  # distinct ones that are counted, of those that nobody understands


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES…")
@registry_option
@root_option
@state_option
@min_version_option
@click.option(
    "--home",
    metavar="NETWORKS",
    default=",".join(DEFAULT_HOME),
    envvar="TIDEGATE_HOME",
    show_default=True,
    show_envvar=True,
    help="Home networks, comma-separated CIDR blocks.",
)
@click.option("--format", "default_format", type=click.Choice(FORMATS), help="Format of all files.")
@click.option(
    "--mix",
    "below",
    multiple=True,
    metavar="FILE",
    help="Benign capture to lay FILES over that are attack from end to end; give it again for another. Whole files "
    "are held in memory.",
)
@click.option(
    "--site",
    multiple=True,
    metavar="FILE",
    help="Flows of the site's own past, [FORMAT:]PATH, to fit the anomaly model on first, for this evaluation alone; "
    "no label is looked at. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Write a page with plots as well, one file that needs nothing else.",
)
def evaluate(
    files: tuple[str, ...],
    registry: str,
    root: Path | None,
    state: Path | None,
    min_version: int,
    home: str,
    default_format: str | None,
    below: tuple[str, ...],
    site: tuple[str, ...],
    as_json: bool,
    report: Path | None,
) -> None:
    """Compare verdicts on labelled flow files with the truth.

    FILES are [FORMAT:][TRUTH:]PATH, plain or gzipped, each a stream of its own. TRUTH (ddos, malware, anomaly or
    benign) is that of the whole file; without it the file's label column tells, and a flow that it leaves open
    (Background, Unknown) counts in windows and alerts, but is a row of nothing. A file that is malware as a whole is
    judged by its infected hosts, not by its flows.

    A label is decided rightly where an attack is flagged as any threat, or benign traffic is not. To abstain is a miss
    on an attack and no alarm on benign traffic. With fewer than 3,000 benign rows the upper bound of the
    false-positive rate "cannot be told". All terms: docs/evaluation.md.
    """
    write = page_writer(report) if report else None
    networks = HomeNetworks([network.strip() for network in home.split(",")])
    specs = [parse_spec(text, default_format) for text in files]
    mixes = [parse_spec(text, default_format) for text in below]
    for spec in (*specs, *mixes):
        _tell_what_is_known(spec, networks)
    loaded = Registry(registry).load(root=root, min_version=min_version, state_dir=state)
    detector = _with_site(loaded, site, networks) if site else Detector.from_registry(loaded)
    _tell_what_is_missing(detector, loaded, registry)
    streams = labelled(_watched(read_flows(specs, _CHUNK_LINES)))
    if mixes:
        benign = whole(labelled(_watched(read_flows(mixes, _CHUNK_LINES))))
        streams = cut(mixed(whole(streams), benign, partial(_overlay, home=networks)), _CHUNK_LINES)
    watch = FeatureWatch(detector.models) if write else None
    result = field_test(detector, streams, networks, watch)
    if not result.evaluation.final.rows and not result.hosts:
        raise UsageError(
            "no flow has a truth, so there is nothing to compare with: name files whose label column has it, or give "
            "the truth of a whole file as ddos:PATH, malware:PATH, anomaly:PATH or benign:PATH"
        )
    if write and watch:
        gathering = Gathering()
        gathering.add(detector, result, watch)
        write(gathering.contents(TITLE, NOTES, _facts(detector, registry, home, specs, mixes)))
    if as_json:
        click.echo(json.dumps(document(result), indent=2))
    else:
        print_tables(result)


def _facts(
    detector: Detector, registry: str, home: str, specs: Iterable[FileSpec], mixes: Iterable[FileSpec]
) -> tuple[tuple[str, str], ...]:
    """What a page says of what was evaluated, and by what."""
    files = [("files", spec) for spec in specs] + [("laid over", spec) for spec in mixes]
    return (
        ("registry", registry),
        ("manifest version", str(detector.manifest_version)),
        *((name, f"SHA-256 {fingerprint}") for name, fingerprint in detector.fingerprints.items()),
        *(("refused or missing", name) for name in detector.degraded),
        *((what, str(spec.path) if spec.truth is None else f"{spec.path}, {spec.truth}") for what, spec in files),
        ("home networks", home),
    )


def _with_site(loaded: Loaded, files: tuple[str, ...], home: HomeNetworks) -> Detector:
    """The registry's detector, but with an anomaly model of this past; the registry is left as it is."""
    from training import anomaly  # brings LightGBM, which only --site needs

    try:
        past = load_site(files, home.networks, judged=0.0)
        model = anomaly.of_site(past)
    except TrainingError as error:
        raise UsageError(f"--site: {error}") from error
    ensemble = msgspec.structs.replace(ensemble_from_json(loaded.ensemble), site_flows=fitted_flows(past))
    say = "" if ensemble.knows_site else f", which are too few for a say (at least {ensemble.limits.min_site_flows})"
    click.echo(
        f"{anomaly.NAME} is fitted on {ensemble.site_flows} of {len(past)} flows of --site, unlabelled{say}; the "
        "registry's is not used, and stays as it is",
        err=True,
    )
    return Detector(
        parse_rules(loaded.rules),
        baselines_from_json(loaded.math),
        {**loaded.models, anomaly.NAME: model},
        ensemble,
        manifest_version=loaded.version,
    )


def _tell_what_is_missing(detector: Detector, loaded: Loaded, registry: str) -> None:
    for name in detector.degraded:
        reason = loaded.refused.get(name, "the manifest has no champion of it")
        click.echo(f"tidegate: evaluating without {name}: {reason}", err=True)
    if not detector.can_decide:
        raise TrustError(
            f"{registry}: nothing to decide by: no rules, no baselines, and no models; train, or restore",
            Reason.MISSING,
        )


def _tell_what_is_known(spec: FileSpec, home: HomeNetworks) -> None:
    """Say what the table of published captures knows of a file and the command line leaves open; it decides nothing."""
    about = known(spec.path.name)
    if about is None:
        return
    if about.truth is not None and spec.truth is None:
        click.echo(f"{spec.path} is known as {about.name}, {about.truth} as a whole: give {about.truth}:PATH", err=True)
    if missing := sorted(set(about.home) - set(home.networks)):
        click.echo(f"{spec.path} is known as {about.name}, at home in {', '.join(missing)}: give --home", err=True)


def _overlay(benign: FlowBatch, attack: FlowBatch, home: HomeNetworks) -> tuple[FlowBatch, npt.NDArray[np.int64]]:
    try:
        return lay_over(benign, attack, home)
    except TrainingError as error:
        raise UsageError(str(error)) from error


def _watched(chunks: Iterable[FileChunk]) -> Iterator[FileChunk]:
    """Pass chunks on; on a terminal say how far it is, and of each file how many lines are no flows."""
    path, flows, dead, first = Path(), 0, 0, ""
    unknown: Counter[str] = Counter()
    try:
        for chunk in chunks:
            if chunk.first_line == 1:
                _account(path, dead, first, unknown)
                path, flows, dead, first = chunk.spec.path, 0, 0, ""
                unknown.clear()
            if chunk.spec.truth is None and chunk.decoded.labels is not None and len(unknown) < _LABELS:
                unknown.update(label for label in chunk.decoded.labels.tolist() if not is_understood(label))
            flows += len(chunk.decoded)
            if chunk.decoded.dead and not dead:
                letter = chunk.decoded.dead[0]
                first = f"line {chunk.first_line + letter.index}: {letter.error}"
            dead += len(chunk.decoded.dead)
            _progress(f"{path.name}: {flows} flows")
            yield chunk
        _account(path, dead, first, unknown)
    finally:
        _progress("")


def _account(path: Path, dead: int, first: str, unknown: Counter[str]) -> None:
    if unknown:
        _progress("")
        shown = ", ".join(f"{ascii(label)[:60]} ({count})" for label, count in unknown.most_common(5))
        click.echo(f"{path}: {unknown.total()} rows of nothing, for labels that are not understood: {shown}", err=True)
    if dead:
        _progress("")
        noun = "line" if dead == 1 else "lines"
        click.echo(f"{path}: {dead} undecodable {noun}, the first is {first}", err=True)


def _progress(text: str) -> None:
    """Replace the line of progress; an empty text takes it away."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
