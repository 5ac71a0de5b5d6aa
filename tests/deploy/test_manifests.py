"""The container image's recipe, the Compose file and the Kubernetes manifests say what is so, without an engine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import kubernetes_validate
import pytest
import yaml

from orchestration.kafka import KafkaTopics
from serving.config import load_settings, settings_fields

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
MANIFESTS: Final = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile as (instruction, arguments), continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "docker" / "serving.Dockerfile").read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, arguments = line.split(maxsplit=1)
            yield word, arguments


def environment_of_the_image() -> dict[str, str]:
    return dict(part.split("=", 1) for word, text in instructions() if word == "ENV" for part in shlex.split(text))


def documents() -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = [document for document in documents() if document["kind"] == kind]
    return found


def check_settings(environment: dict[str, str], tmp_path: Path) -> None:
    """Every TIDEGATE_ variable is one of the settings, and serving takes its value."""
    ours = {name: value for name, value in environment.items() if name.startswith("TIDEGATE_")}
    assert {name.removeprefix("TIDEGATE_").lower() for name in ours} <= settings_fields().keys()
    root = tmp_path / "root.json"  # must exist when settings are read; there it is mounted
    root.write_text("{}")
    load_settings({**ours, **({"TIDEGATE_ROOT": str(root)} if "TIDEGATE_ROOT" in ours else {})})


# --- the image


def test_the_image_runs_as_nobody_special_and_says_how_it_is() -> None:
    steps = list(instructions())
    user = [text for word, text in steps if word == "USER"][-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    words = [word for word, _ in steps]
    assert words.index("USER") < words.index("ENTRYPOINT") < words.index("CMD")
    assert "HEALTHCHECK" in words
    assert ("EXPOSE", "8080") in steps
    assert any("org.opencontainers.image.licenses" in text for word, text in steps if word == "LABEL")


def test_the_image_names_a_release_of_its_base_and_installs_by_the_one_script() -> None:
    steps = list(instructions())
    (image,) = [text.split("=", 1)[1] for word, text in steps if word == "ARG"]
    assert re.search(r":3\.11-slim-bookworm$", image)
    assert {text.split(" AS ")[0] for word, text in steps if word == "FROM"} == {"${PYTHON_IMAGE}"}
    runs = [text for word, text in steps if word == "RUN"]
    assert runs[0] == "deploy/docker/install-serving.sh /opt/tidegate"
    everything = " ".join(text for _, text in steps)
    for unwanted in ("apt-get", "build-essential", "gcc", "pip install", "curl", "wget", "training", "orchestration"):
        assert unwanted not in everything


def test_all_that_the_image_copies_exists_and_passes_the_ignore_file() -> None:
    ignore = (DEPLOY / "docker" / "serving.Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    for word, text in instructions():
        if word != "COPY" or text.startswith("--from"):
            continue
        for source in text.split()[:-1]:
            assert (DEPLOY.parent / source).exists(), source
            assert any(source == path or source.startswith(f"{path}/") for path in allowed), source


def test_the_image_sets_what_serving_can_be_told(tmp_path: Path) -> None:
    check_settings(environment_of_the_image(), tmp_path)


# --- Compose


def test_compose_gives_serving_settings_that_it_knows(tmp_path: Path) -> None:
    environment = COMPOSE["services"]["serving"]["environment"]
    assert all(isinstance(value, str) for value in environment.values())
    check_settings(environment, tmp_path)
    assert (
        environment["TIDEGATE_BOOTSTRAP"] in COMPOSE["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )


def test_compose_runs_the_kafka_that_the_tests_run() -> None:
    pom = ElementTree.parse(DEPLOY / "kafka" / "pom.xml")  # noqa: S314  (our own file)
    version = pom.findtext(".//{*}dependency[{*}artifactId='kafka_2.13']/{*}version")
    images = {COMPOSE["services"][name]["image"] for name in ("kafka", "topics")}
    assert images == {f"docker.io/apache/kafka:{version}"}


def test_compose_makes_every_topic_of_serving() -> None:
    script = COMPOSE["services"]["topics"]["command"][-1]
    made = set(re.findall(r"(tidegate[a-z.]*):\d+", script))
    of_serving = {spec.default for name, spec in settings_fields().items() if name.startswith("topic_")}
    assert made == of_serving | {KafkaTopics.model_fields["feedback"].default}


def test_compose_holds_serving_to_reading_its_registry() -> None:
    serving = COMPOSE["services"]["serving"]
    binds = {volume["target"]: volume for volume in serving["volumes"] if isinstance(volume, dict)}
    assert binds[serving["environment"]["TIDEGATE_REGISTRY"]]["read_only"] is True
    assert binds[serving["environment"]["TIDEGATE_ROOT"]]["read_only"] is True
    assert f"state:{serving['environment']['TIDEGATE_STATE']}" in serving["volumes"]
    assert serving["read_only"] is True
    assert serving["cap_drop"] == ["ALL"]
    assert (DEPLOY / serving["build"]["context"] / serving["build"]["dockerfile"]).is_file()


# --- Kubernetes


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_valid_in_the_strict_schema(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_schema_check_notices_a_misspelt_field() -> None:
    broken = of_kind("Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


def test_the_config_map_gives_serving_settings_that_it_knows(tmp_path: Path) -> None:
    check_settings(of_kind("ConfigMap")["data"], tmp_path)


def test_the_deployment_probes_each_endpoint_and_is_held_down() -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    (user,) = [text for word, text in instructions() if word == "USER"]
    assert user == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"


def test_the_deployment_mounts_what_its_settings_name() -> None:
    settings = of_kind("ConfigMap")["data"]
    deployment = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts[settings["TIDEGATE_REGISTRY"]]["readOnly"] is True
    assert str(Path(settings["TIDEGATE_ROOT"]).parent) in mounts
    assert not mounts[settings["TIDEGATE_STATE"]].get("readOnly")
    claims = {document["metadata"]["name"] for document in documents() if document["kind"] == "PersistentVolumeClaim"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in mounts.values()} == volumes.keys()
    assert {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v} == claims
    # The state volume belongs to one pod at a time.
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_the_service_and_the_scraper_find_the_pods() -> None:
    template = of_kind("Deployment")["spec"]["template"]
    service = of_kind("Service")["spec"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    (port,) = template["spec"]["containers"][0]["ports"]
    assert service["ports"][0]["targetPort"] == port["name"]
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    assert annotations["prometheus.io/path"] == "/metrics"


def test_compose_and_kubernetes_run_the_same_image() -> None:
    (container,) = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == COMPOSE["services"]["serving"]["image"]
