"""Running the training job without Dagster's web interface, with its progress told in lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import dagster as dg

from flows.errors import TidegateError
from model_registry.content import Slot
from model_registry.errors import GateError
from model_registry.private_keys.key_files import load_signer, pinned_root
from model_registry.registry import Registry
from orchestration.definitions import definitions
from orchestration.defs.release.assets import Destination
from orchestration.exclusive import only_training

# Dagster's own settings, copied to where there are none yet.
DAGSTER_YAML: Final = Path(__file__).with_name("dagster.yaml")
JOB: Final = "train"
RELEASE: Final = dg.AssetKey("signed_manifest")


def run_training(
    *,
    registry: str | Path,
    keys: Path,
    store: Path,
    home: Path,
    flows: dict[str, Any],
    site: dict[str, Any] | None = None,
    say: Callable[[str], None],
    slot: Slot = "champion",
    benign_share: float | None = None,
) -> dict[str, Any]:
    """Run the job, and return the published or proposed manifest's version and the models' fingerprints.

    Args:
        registry, keys: where to publish, and the folder of the key that signs.
        store: folder for the assets' data.
        home: folder of Dagster's own records; the web interface shows the run if it is started with the same.
        flows: what to learn from, as :class:`orchestration.defs.data.assets.TrainingFlows` has it.
        site: the site's own past, as :class:`orchestration.defs.data.assets.SiteFlows` has it; none unless given.
        say: is told what happens, a line at a time.
        slot: where the new models go.
        benign_share: how much of ordinary life is learned from; as the variable says unless given.

    Raises:
        GateError: a gate was not passed; nothing was published.
        TidegateError: a step failed for another reason, or there is no registry or key to begin with.
    """
    # What would fail after minutes of training is asked first, and so is a passphrase.
    root = Registry(registry).trusted_roots(pinned_root(keys)).root
    load_signer(keys, "targets", root.role("targets").keyids)
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    with only_training(store), dg.DagsterInstance.from_config(str(home)) as instance:
        run_id = str(uuid4())
        failures: list[dg.DagsterEvent] = []

        def told(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event is not None:
                _tell(event, say)
                if event.is_step_failure:
                    failures.append(event)

        instance.add_event_listener(run_id, told)
        job = definitions(str(registry), str(keys), str(store)).resolve_job_def(JOB)
        result = job.execute_in_process(
            run_id=run_id,
            instance=instance,
            raise_on_error=False,
            run_config={
                "ops": {
                    "training_flows": {"config": flows},
                    "site_features": {"config": site or {}},
                    "training_features": {"config": {} if benign_share is None else {"benign_share": benign_share}},
                    "release": {"config": {"slot": Destination(slot).name}},
                },
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # told in our own lines instead
            },
        )
        if not result.success:
            raise _failure(result, failures)
        published = instance.get_latest_materialization_event(RELEASE)
    if published is None or published.asset_materialization is None:
        raise TidegateError("the job ended without publishing; look at the run in the Dagster UI")
    metadata = published.asset_materialization.metadata
    # The model cards are left to `tidegate registry show`.
    figures = {name: entry.value for name, entry in metadata.items() if not isinstance(entry, dg.MarkdownMetadataValue)}
    return {"run_id": run_id, **figures}


def _tell(event: dg.DagsterEvent, say: Callable[[str], None]) -> None:
    kind = event.event_type
    if kind is dg.DagsterEventType.STEP_START and ":" not in str(event.step_key):
        say(f"{event.step_key} …")
    elif kind is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        verdict = "passed" if check.passed else "FAILED"
        say(f"  gate {check.asset_key.to_user_string()}/{check.check_name}: {verdict}: {check.description}")
    elif kind is dg.DagsterEventType.STEP_FAILURE:
        say(f"{event.step_key} failed")


def _failure(result: dg.ExecuteInProcessResult, failures: list[dg.DagsterEvent]) -> TidegateError:
    """Say what ended the run: a gate, if one did."""
    gates = [check for check in result.get_asset_check_evaluations() if not check.passed]
    if gates:
        lines = "; ".join(f"{gate.asset_key.to_user_string()}/{gate.check_name}: {gate.description}" for gate in gates)
        return GateError(f"a gate was not passed, so nothing was published: {lines}")
    for event in failures:
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            kind = GateError if error.cls_name == GateError.__name__ else TidegateError
            return kind(
                f"the step {event.step_key} failed: {error.message.strip().partition(': ')[2] or error.message}"
            )
    return TidegateError("the training job failed before its first step; look at the run in the Dagster UI")
