"""A training run small enough for tests: three short captures that hold every kind, and where its files lie."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from flows.simulator import Beacon, Capture, HttpFlood, PortScan, Scenario, SynFlood, UdpAmplification
from model_registry.content import Slot
from model_registry.registry import Registry
from model_registry.writing.creation import create_registry
from orchestration.definitions import definitions
from orchestration.headless import run_training

MODELS = ("ddos_lgbm", "malware_lgbm", "anomaly_iforest")
RELEASED = (*(f"{name}_version" for name in MODELS), "slots", "signed_manifest")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _capture(number: int) -> Capture:
    """One network's 15 minutes, with attacks that differ a little from capture to capture."""
    attacks = (
        SynFlood(at=150.0, duration=25, rate=60 + 5 * number, answer="silent", syn_bytes=44),
        UdpAmplification(
            at=250.0 + 20 * number, duration=20, rate=50, ports=(53, 123), amplifiers=300, answer_bytes=1400.0
        ),
        HttpFlood(at=500.0, duration=25, rate=75 - 5 * number, bots=60, request_bytes=1200.0, response_bytes=9000.0),
        PortScan(at=650.0, duration=30, rate=12, ports=1000, targets=20, scanner=14, reset_share=0.5),
        *(
            Beacon(
                at=20.0 + nth,
                duration=860,
                period=12.0 + 2 * nth + number,
                jitter=0.15,
                up_bytes=900.0,
                down_bytes=4000.0,
                size_jitter=0.3,
                client=10 + nth,
                failed_share=0.6,
            )
            for nth in range(3)
        ),
    )
    return Capture(2000.0 * number, 900.0, f"10.{number + 1}.0.0/22", 24, 0.6, attacks)


def small_scenario(seed: int = 1) -> Scenario:
    """About 30,000 flows, a fifth of what ships; every seed has all kinds in every capture."""
    return Scenario(seed, 1_700_000_000.0, tuple(_capture(number) for number in range(3)))


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folders of one pipeline: registry, keys, asset store and Dagster's own records."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Workshop:
        """Make keys and an empty registry."""
        create_registry(folder / "registry", folder / "keys")
        return cls(folder)

    def copy_to(self, folder: Path) -> Workshop:
        """Copy everything, so that what a test does to it stays in the test."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workshop(folder)

    @property
    def registry(self) -> Registry:
        return Registry(self.folder / "registry")

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def home(self) -> Path:
        return self.folder / "dagster"

    def train(self, say: Callable[[str], None] = lambda _: None, seed: int = 1) -> dict[str, Any]:
        """Run the whole job headless."""
        return run_training(
            registry=self.registry.path, keys=self.keys, store=self.store, home=self.home, flows={"seed": seed}, say=say
        )

    def run(
        self,
        *assets: str,
        checks: Collection[dg.AssetCheckKey] = (),
        seed: int = 1,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Run these assets and these checks alone, as the web interface would; raises what a step raises."""
        job = self.job().get_subset(
            asset_selection={dg.AssetKey(asset) for asset in assets}, asset_check_selection=set(checks)
        )
        drawn = {"training_flows": {"config": {"seed": seed}}} if "training_flows" in assets else {}
        with self.instance() as instance:
            job.execute_in_process(instance=instance, run_config={"ops": {**drawn, **(config or {})}, **QUIET})

    def check(self, asset: str) -> bool:
        """Run the checks of a stored asset alone, and tell whether all passed; one that crashes counts as failed."""
        job = self.job().get_subset(asset_check_selection=checks_of(asset), asset_selection=set())
        with self.instance() as instance:
            return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False).success

    def compare(self) -> None:
        """Compare the stored models with the champions, and check the outcome."""
        self.run("champion_comparison", checks=checks_of("champion_comparison"))

    def sign(self, slot: Slot = "champion") -> None:
        """Run the step that signs alone."""
        self.run(*RELEASED, config={"release": {"config": {"slot": slot.upper()}}})

    def job(self) -> dg.JobDefinition:
        """The job that trains, for these folders."""
        return definitions(str(self.registry.path), str(self.keys), str(self.store)).resolve_job_def("train")

    def instance(self) -> dg.DagsterInstance:
        """Dagster's records; a context manager."""
        return dg.DagsterInstance.from_config(str(self.home))


def checks_of(asset: str) -> set[dg.AssetCheckKey]:
    """The declared checks of an asset."""
    graph = definitions("registry", "keys", "store").resolve_asset_graph()
    return {key for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(asset)}
