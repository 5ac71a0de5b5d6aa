"""Two trainings do not race: the second on a store is refused, or waits in the queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from flows.errors import TidegateError
from orchestration.definitions import defs
from orchestration.exclusive import EXCLUSIVE, only_training
from orchestration.headless import DAGSTER_YAML
from tests.support.pipeline import Workshop
from tests.support.real import REPOSITORY
from tests.support.registries import files_of

HOLD = """
import sys, time
from pathlib import Path
from orchestration.exclusive import only_training
with only_training(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_while_one_trains_another_is_refused_at_once_and_changes_nothing(workshop: Workshop) -> None:
    before = files_of(workshop.registry)

    with (
        only_training(workshop.store),
        pytest.raises(TidegateError, match=r"another training is writing to .*give --store another folder"),
    ):
        workshop.train()

    assert files_of(workshop.registry) == before
    with only_training(workshop.store):
        pass


def test_the_lock_of_a_killed_training_is_let_go(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TidegateError, match="another training"), only_training(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
    with only_training(tmp_path):
        pass


def test_runs_of_the_job_wait_for_each_other_in_the_queue(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    job = defs.resolve_job_def("train")

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limits = instance.get_concurrency_config().run_queue_config

    assert EXCLUSIVE.items() <= job.tags.items()
    assert limits is not None
    assert [(limit["key"], limit["limit"]) for limit in limits.tag_concurrency_limits] == [("tidegate/exclusive", 1)]
