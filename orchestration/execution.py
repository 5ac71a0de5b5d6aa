"""Where steps run, by one setting: in the run's own process, in processes of this machine, or in pods of a cluster.

``TIDEGATE_EXECUTOR`` is ``in_process`` (the default: importing costs more than most steps take), ``multiprocess``
(``TIDEGATE_STEPS_AT_ONCE``, 2) or ``k8s``. Only the steps that sign are given the key. In a cluster that is so by
construction: their pods alone name the Secret. In processes of one machine it is a matter of who may read the file
(docs/training-deployment.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from flows.errors import UsageError

EXECUTORS: Final = ("in_process", "multiprocess", "k8s")
# Of the steps that sign, and of no others: the seed of the targets key, from a Secret of the cluster, which only their
# pods name. Everywhere else nobody reads these tags.
KEY_SECRET: Final = "tidegate-signing-key"  # noqa: S105  (a name)
SIGNING_POD: Final[dict[str, Any]] = {
    "dagster-k8s/config": {
        "container_config": {
            "env": [
                {
                    "name": "TIDEGATE_TARGETS_KEY",
                    "value_from": {"secret_key_ref": {"name": KEY_SECRET, "key": "targets"}},
                }
            ]
        }
    }
}


def executor_from(environ: Mapping[str, str]) -> dg.ExecutorDefinition:
    """Read the setting. Raises UsageError for a value that is none of these, or a number that is none."""
    name = environ.get("TIDEGATE_EXECUTOR", "in_process")
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor.configured({"max_concurrent": _steps(environ)})
    if name == "k8s":
        from dagster_k8s import k8s_job_executor  # here: who runs no cluster needs no client of one

        executor: dg.ExecutorDefinition = k8s_job_executor.configured({"max_concurrent": _steps(environ)})
        return executor
    raise UsageError(f"TIDEGATE_EXECUTOR is {name!r}; it may be {', '.join(EXECUTORS)}")


def _steps(environ: Mapping[str, str]) -> int:
    text = environ.get("TIDEGATE_STEPS_AT_ONCE", "2")
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"TIDEGATE_STEPS_AT_ONCE is {text!r}; it may be a number from 1 on")
    return int(text)
