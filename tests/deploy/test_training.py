"""The learning half in containers: the same definitions by settings alone, and a key that only signing sees."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from dagster._config import process_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job, get_user_defined_k8s_config
from kubernetes.client import ApiClient

from flows.errors import UsageError
from orchestration.definitions import defs
from orchestration.execution import EXECUTORS, KEY_SECRET, executor_from
from orchestration.headless import DAGSTER_YAML

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
MANIFESTS: Final = sorted((DEPLOY / "kubernetes" / "training").glob("*.yaml"))
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
TRAINING: Final = ("training-code", "training-webserver", "training-daemon")
SIGNING: Final = {"release", "refreshed_manifest"}


def documents() -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in documents() if document["kind"] == kind]


def settings() -> dict[str, str]:
    return next(one["data"] for one in of_kind("ConfigMap") if one["metadata"]["name"] == "tidegate-training")


def dagster_files() -> dict[str, Any]:
    data = next(one["data"] for one in of_kind("ConfigMap") if one["metadata"]["name"] == "tidegate-dagster")
    return {name: yaml.safe_load(text) for name, text in data.items()}


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each step of all jobs, with the Kubernetes job that its pod is started by."""
    launcher = dagster_files()["dagster.yaml"]["run_launcher"]["config"]
    config = DagsterK8sJobConfig(
        job_image="tidegate-training:0.1.0",
        dagster_home=launcher["dagster_home"],
        instance_config_map=launcher["instance_config_map"],
        env_config_maps=launcher["env_config_maps"],
        env_secrets=launcher["env_secrets"],
    )
    for name in ("train", "refresh_manifest", "report", "record_day", "read_day"):
        for node in defs.resolve_job_def(name).nodes:
            job = construct_dagster_k8s_job(
                config,
                ["dagster", "api", "execute_step"],
                "dagster-step",
                user_defined_k8s_config=get_user_defined_k8s_config(node.definition.tags),
            )
            yield node.name, ApiClient().sanitize_for_serialization(job)


def secrets_in(document: Any) -> set[str]:
    """The names of all Secrets that a manifest refers to."""
    return set(re.findall(r"'(?:secretName|secretRef|secretKeyRef)': (?:'|\{[^}]*'name': ')([a-z-]+)", str(document)))


def test_in_a_cluster_only_the_steps_that_sign_are_given_the_key() -> None:
    given = {name for name, job in steps() if KEY_SECRET in secrets_in(job)}

    assert given == SIGNING
    for name, job in steps():
        (container,) = job["spec"]["template"]["spec"]["containers"]
        key = [one for one in container["env"] if one["name"] == "TIDEGATE_TARGETS_KEY"]
        expected = [{"name": "TIDEGATE_TARGETS_KEY",
                     "valueFrom": {"secretKeyRef": {"name": KEY_SECRET, "key": "targets"}}}]  # fmt: skip
        assert key == (expected if name in SIGNING else []), name


def test_the_job_of_every_step_is_valid() -> None:
    for _, job in steps():
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_no_other_pod_and_no_setting_names_the_key() -> None:
    for document in documents():
        assert KEY_SECRET not in str(document), document["metadata"]["name"]
        if document["kind"] == "Deployment":
            assert secrets_in(document) == {"tidegate-training"}
    (role,) = of_kind("Role")
    assert all("secrets" not in rule["resources"] for rule in role["rules"])
    assert not [name for name in settings() if "KEY" in name or "PASS" in name]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_valid_in_the_strict_schema(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_dagster_takes_its_settings_for_the_cluster() -> None:
    launcher = dagster_files()["dagster.yaml"]["run_launcher"]

    result = process_config(K8sRunLauncher.config_type(), launcher["config"])  # type: ignore[no-untyped-call]  # has no types

    assert result.success, result.errors
    assert (launcher["module"], launcher["class"]) == ("dagster_k8s", "K8sRunLauncher")
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in launcher["config"]["volumes"]
              if "persistentVolumeClaim" in volume}  # fmt: skip
    assert claims == {"tidegate-training", "tidegate-registry"}


def test_the_limits_are_the_same_wherever_dagster_runs() -> None:
    assert dagster_files()["dagster.yaml"]["concurrency"] == yaml.safe_load(DAGSTER_YAML.read_text())["concurrency"]
    mounts = COMPOSE["services"]["training-code"]["volumes"]
    assert "../orchestration/dagster.yaml:/opt/dagster/dagster.yaml:ro" in mounts


def test_the_pods_mount_what_their_settings_name_and_are_held_down() -> None:
    named = settings()
    for deployment in of_kind("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert {named["TIDEGATE_REGISTRY"], named["DAGSTER_HOME"], "/data", "/etc/tidegate"} <= mounts.keys()
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["serviceAccountName"] == "tidegate-training"
        assert container["image"] == COMPOSE["services"]["training-code"]["image"]


@pytest.mark.parametrize("where", ["kubernetes", "compose"])
def test_the_definitions_load_with_the_settings_that_are_shipped(where: str, tmp_path: Path) -> None:
    """Also without any folder of keys: loading asks for none."""
    given = settings() if where == "kubernetes" else COMPOSE["services"]["training-code"]["environment"]
    ours = {name: value for name, value in given.items() if name.startswith("TIDEGATE_")}
    code = (
        "from orchestration.definitions import defs; r = defs.get_repository_def(); "
        "print(defs.resolve_job_def('train').executor_def.name, "
        "*{s.default_status.value for s in (*r.schedule_defs, *r.sensor_defs)})"
    )
    environment = {**os.environ, **ours, "DAGSTER_HOME": str(tmp_path), "TIDEGATE_KEYS": str(tmp_path / "none")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["k8s" if where == "kubernetes" else "in_process", "RUNNING"]


def test_in_compose_only_the_container_that_runs_steps_is_given_the_key() -> None:
    services = COMPOSE["services"]
    assert {name for name, service in services.items() if service.get("secrets")} == {"training-code"}
    assert {
        name for name, service in services.items() if any("KEY" in one for one in service.get("environment", {}))
    } == {"training-code"}
    for name in TRAINING:
        assert services[name]["profiles"] == ["training"]
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert services["training-webserver"]["ports"] == ["127.0.0.1:3000:3000"]


@pytest.mark.parametrize("file", [DEPLOY / "training" / "workspace.yaml", None], ids=["compose", "kubernetes"])
def test_dagster_is_told_where_the_code_is(file: Path | None) -> None:
    workspace = dagster_files()["workspace.yaml"] if file is None else yaml.safe_load(file.read_text())
    (server,) = [one["grpc_server"] for one in workspace["load_from"]]

    hosts = {service["metadata"]["name"] for service in of_kind("Service")} | COMPOSE["services"].keys()
    assert server["host"] in hosts
    command = COMPOSE["services"]["training-code"]["command"]
    assert command[command.index("-p") + 1] == str(server["port"])


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile as (instruction, arguments), continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "docker" / "training.Dockerfile").read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, arguments = line.split(maxsplit=1)
            yield word, arguments


def test_the_image_copies_what_exists_runs_as_nobody_special_and_holds_no_key() -> None:
    ignore = (DEPLOY / "docker" / "training.Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    for word, text in instructions():
        if word == "COPY" and not text.startswith("--from"):
            for source in text.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == path or source.startswith(f"{path}/") for path in allowed), source
    user = [text for word, text in instructions() if word == "USER"][-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    environment = dict(
        part.split("=", 1) for word, text in instructions() if word == "ENV" for part in shlex.split(text)
    )
    assert not [name for name in environment if "KEY" in name]


def test_what_the_image_installs_is_locked_with_what_the_definitions_import() -> None:
    locked = {line.split("==")[0] for line in (ROOT / "requirements" / "training.txt").read_text().splitlines()
              if re.match(r"[a-z]", line)}  # fmt: skip
    assert {"dagster", "dagster-webserver", "dagster-k8s", "dagster-postgres", "lightgbm", "pyarrow"} <= locked
    assert "confluent-kafka" in locked
    assert not {"pytest", "hypothesis", "playwright"} & locked


@pytest.mark.parametrize("name", EXECUTORS)
def test_where_steps_run_is_one_setting(name: str) -> None:
    kind = {"in_process": "in_process", "multiprocess": "multiprocess", "k8s": "k8s"}[name]
    assert executor_from({"TIDEGATE_EXECUTOR": name}).name == kind
    assert executor_from({}) is dg.in_process_executor


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TIDEGATE_EXECUTOR": "threads"}, "it may be in_process, multiprocess, k8s"),
        ({"TIDEGATE_EXECUTOR": "multiprocess", "TIDEGATE_STEPS_AT_ONCE": "0"}, "it may be a number from 1 on"),
        ({"TIDEGATE_EXECUTOR": "multiprocess", "TIDEGATE_STEPS_AT_ONCE": "many"}, "it may be a number from 1 on"),
    ],
)
def test_another_setting_is_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        executor_from(environment)
