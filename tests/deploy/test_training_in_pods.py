"""The training half by the settings that ship for a cluster: every step in a pod, and the key in the one that signs.

The cluster is a stand-in (tests.support.little_cluster): manifests, variables and volumes are real, images are not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from model_registry.registry import Registry
from model_registry.writing.creation import create_registry
from orchestration.execution import KEY_SECRET
from tests.support import small_definitions
from tests.support.little_cluster import LittleCluster, served
from tests.support.pipeline import MODELS
from tests.support.real import REPOSITORY

pytestmark = pytest.mark.long

SETTINGS: Final = REPOSITORY / "deploy" / "kubernetes" / "training" / "settings.yaml"
MAPS: Final[dict[str, dict[str, str]]] = {
    one["metadata"]["name"]: one["data"] for one in yaml.safe_load_all(SETTINGS.read_text())
}
PASSWORD: Final = "of-kafka"


@pytest.fixture
def cluster(tmp_path: Path) -> LittleCluster:
    """The shipped ConfigMaps, Secrets as the docs have one make them, a registry, and its key in that Secret alone."""
    folders = {name: tmp_path / name for name in ("claims", "registry", "root", "dagster", "pods")}
    for folder in folders.values():
        if folder.name != "registry":
            folder.mkdir()
    keys = tmp_path / "keys"
    create_registry(folders["registry"], keys)
    shutil.copy(keys / "root.json", folders["root"] / "root.json")
    (key,) = keys.glob("targets*.key")
    seed = json.loads(key.read_text())["private"]
    shutil.rmtree(keys)
    cluster = LittleCluster(
        folder=folders["pods"],
        config_maps=MAPS,
        secrets={"tidegate-training": {"TIDEGATE_KAFKA_PASSWORD": PASSWORD}, KEY_SECRET: {"targets": f"{seed}\n"}},
        volumes={
            "tidegate-training": folders["claims"],
            "tidegate-registry": folders["registry"],
            "tidegate-root": folders["root"],
        },
        home=folders["dagster"],
    )
    settings: dict[str, Any] = yaml.safe_load(MAPS["tidegate-dagster"]["dagster.yaml"])
    del settings["storage"]
    settings["run_launcher"]["config"] |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(cluster.kubeconfig),
        "job_image": "tidegate-training:0.1.0",  # told by the code location's server, where there is one
    }
    (cluster.home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return cluster


def test_every_step_is_a_pod_and_only_the_one_that_signs_sees_the_key(cluster: LittleCluster) -> None:
    launcher = yaml.safe_load(MAPS["tidegate-dagster"]["dagster.yaml"])["run_launcher"]["config"]
    worker = {
        "envFrom": [{"configMapRef": {"name": name}} for name in launcher["env_config_maps"]],
        "volumeMounts": launcher["volume_mounts"],
    }
    places = cluster.places({"volumes": launcher["volumes"]}, worker)
    given = cluster.variables(worker, places)
    command = [str(Path(sys.executable).with_name("dagster")), "job", "execute", "-m", small_definitions.__name__]

    with served(cluster):
        done = subprocess.run(
            [*command, "-j", "train"],
            cwd=cluster.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **given},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr[-3000:]
    loaded = Registry(cluster.volumes["tidegate-registry"]).load()
    assert (loaded.version, sorted(loaded.models)) == (1, sorted(MODELS))
    seed = cluster.secrets[KEY_SECRET]["targets"].strip()
    assert [pod.step for pod in cluster.pods if any(seed in value for value in pod.given.values())] == ["release"]
    assert {"training_flows", "ddos_lgbm_fitted", "trial"} <= {pod.step for pod in cluster.pods}
    assert all(pod.given["TIDEGATE_KAFKA_PASSWORD"] == PASSWORD for pod in cluster.pods)
    written = [
        path for folder in (*cluster.volumes.values(), cluster.home, cluster.folder) for path in folder.rglob("*")
    ]
    assert not [path for path in written if path.is_file() and seed.encode() in path.read_bytes()]
