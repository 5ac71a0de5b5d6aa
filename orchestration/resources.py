"""Where things are, as typed Dagster resources; settings by environment, so that deployments differ by nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from model_registry.keys import Signer
from model_registry.private_keys.key_files import load_signer, pinned_root
from model_registry.registry import Registry

VAR = Path("var")


class SigningRegistry(dg.ConfigurableResource):  # type: ignore[type-arg]  # the base's parameter is its own subject
    """The registry to publish to, and the folder of the key that signs. The key is read only to sign."""

    registry_folder: str
    keys_folder: str
    state_folder: str | None = None

    def open(self) -> Registry:
        """Return the registry."""
        return Registry(self.registry_folder)

    def root(self) -> Path | None:
        """Return the first root to trust: the one that was made with the keys."""
        return pinned_root(Path(self.keys_folder))

    def state(self) -> Path | None:
        """Return the folder with the newest registry seen, so that nobody has an old one built upon."""
        return None if self.state_folder is None else Path(self.state_folder)

    def signer(self) -> Signer:
        """Read the targets key that the registry's root knows. Raises TidegateError when there is none to be had.

        Dagster's own runs have no terminal: there an encrypted key needs its passphrase in a file or a variable.
        """
        root = self.open().trusted_roots(self.root()).root
        return load_signer(Path(self.keys_folder), "targets", root.role("targets").keyids)


def default_registry() -> str:
    """TIDEGATE_REGISTRY, else ``var/registry``."""
    return os.environ.get("TIDEGATE_REGISTRY", str(VAR / "registry"))


def default_keys() -> str:
    """TIDEGATE_KEYS, else ``var/keys``."""
    return os.environ.get("TIDEGATE_KEYS", str(VAR / "keys"))


def default_store() -> str:
    """TIDEGATE_STORE, else ``var/store``."""
    return os.environ.get("TIDEGATE_STORE", str(VAR / "store"))
