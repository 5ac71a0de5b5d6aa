"""Two trainings do not race: the second on a store is refused, or waits in the queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.config import PoolGranularity

from flows.errors import TidegateError
from orchestration.definitions import defs
from orchestration.exclusive import only_training
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


@pytest.mark.parametrize("job", ["train", "refresh_manifest", "new_registry"])
def test_runs_that_write_to_the_registry_wait_for_each_other_as_a_whole(tmp_path: Path, job: str) -> None:
    (tmp_path / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limits = instance.get_concurrency_config().pool_config
        run = instance.create_run_for_job(defs.resolve_job_def(job))

    assert (limits.pool_granularity, limits.default_pool_limit) == (PoolGranularity.RUN, 1)
    assert run.run_op_concurrency is not None
    assert run.run_op_concurrency.all_pools == {"registry"}
