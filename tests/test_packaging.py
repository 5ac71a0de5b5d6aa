"""The lock files, the floors' import rules and the repository's commands keep what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY: Final = Path(__file__).resolve().parents[1]
TRAINING_STACK: Final = {"dagster", "joblib", "lightgbm", "matplotlib", "pandas", "scikit-learn", "scipy"}
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROJECT: Final[dict[str, Any]] = PYPROJECT["project"]
ROOMS: Final = ("flows", "model_registry", "detection", "training", "orchestration", "serving", "demo")


def holds_here(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """A lock file as package name -> (version, hashes); fails on any line of another form.

    Of a package that is locked in several versions, it is the one for the machine that runs this.
    """
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    packages: dict[str, tuple[str, list[str]]] = {}
    for line in lines:
        specification, *hashes = line.split("--hash=sha256:")
        requirement = Requirement(specification.strip())
        pins = list(requirement.specifier)
        assert len(pins) == 1, line
        assert pins[0].operator == "==", line
        package = canonicalize_name(requirement.name)
        if package not in packages or holds_here(requirement):
            packages[package] = (pins[0].version, [value.strip() for value in hashes])
    return packages


def direct(*extras: str) -> list[Requirement]:
    """The dependencies that pyproject.toml names itself, with those of the extras; nested extras are followed."""
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            found += direct(*requirement.extras) if requirement.name == PROJECT["name"] else [requirement]
    return found


@pytest.mark.parametrize("name", ["serving", "dev", "build", "cicflowmeter", "cicflowmeter-needs", "moto"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    assert "://" not in (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    packages = locked(name)
    assert packages
    for package, (_, hashes) in packages.items():
        assert hashes, package
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), package


@pytest.mark.parametrize(("name", "extras"), [("serving", ["serving"]), ("dev", ["dev"])])
def test_the_lock_holds_every_dependency_of_pyproject_in_an_allowed_version(name: str, extras: list[str]) -> None:
    packages = locked(name)
    for requirement in filter(holds_here, direct(*extras)):
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: run make lock"


def test_the_build_lock_is_what_the_build_system_requires() -> None:
    assert PYPROJECT["dependency-groups"]["build"] == PYPROJECT["build-system"]["requires"]
    version, _ = locked("build")["setuptools"]
    assert Requirement(PYPROJECT["build-system"]["requires"][0]).specifier.contains(version)


def test_the_serving_lock_is_free_of_the_training_stack_and_agrees_with_the_other() -> None:
    serving, everything = locked("serving"), locked("dev")
    assert not TRAINING_STACK & serving.keys()
    assert everything.keys() >= TRAINING_STACK
    assert {name: version for name, (version, _) in serving.items()} == {name: everything[name][0] for name in serving}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import importlinter.cli; importlinter.cli.lint_imports_command()", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("room", "statement", "contract"),
    [
        ("flows", "import detection", "Imports go down the floors only"),
        ("training", "import serving", "Imports go down the floors only"),
        ("serving", "import orchestration", "Imports go down the floors only"),
        ("orchestration", "import serving", "Imports go down the floors only"),
        ("serving", "import demo", "Imports go down the floors only"),
        ("detection", "import tidegate", "No room imports the front door"),
        ("serving", "import training", "Serving and the floors under it"),
        ("model_registry", "import scipy.special", "Serving and the floors under it"),
        ("training", "import pickle", "Nothing reads or writes a format that runs code"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(tmp_path: Path, room: str, statement: str, contract: str) -> None:
    for name in ROOMS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "tidegate.py").write_text("")
    (tmp_path / "pyproject.toml").write_bytes((REPOSITORY / "pyproject.toml").read_bytes())
    (tmp_path / room / "planted.py").write_text(f"{statement}\n")

    result = lint_imports(tmp_path)

    assert result.returncode != 0, result.stderr
    assert [line for line in result.stdout.splitlines() if line.startswith(contract) and "BROKEN" in line], (
        result.stdout
    )
