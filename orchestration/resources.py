"""Where things are, as typed Dagster resources; settings by environment, so that deployments differ by nothing else."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from model_registry.keys import Signer
from model_registry.private_keys.key_files import load_signer, pinned_root
from model_registry.registry import Registry
from model_registry.root import Root

VAR = Path("var")


class ModelRegistry(dg.ConfigurableResource):  # type: ignore[type-arg]  # the base's parameter is its own subject
    """The registry, to be read and published to; no key of it."""

    location: str = Field(min_length=1, description="Folder or s3:// URL.")
    root_file: str | None = Field(default=None, description="The first root to trust, kept elsewhere.")
    keys_folder: str = Field(default="", description="Where a copy of that root lies if it is not given.")
    state_folder: str | None = Field(default=None, description="Remembers the newest version seen.")

    def open(self) -> Registry:
        """Return the registry. Raises UsageError for a URL of another kind."""
        return Registry(self.location)

    def root(self) -> Path | None:
        """Return the first root to trust: the one that was given, else the copy made with the keys, if there is one."""
        return Path(self.root_file) if self.root_file else pinned_root(Path(self.keys_folder))

    def state(self) -> Path | None:
        """Return the folder with the newest registry seen, so that nobody has an old one built upon."""
        return None if self.state_folder is None else Path(self.state_folder)

    def trusted_root(self) -> Root:
        """Return the newest root. Raises TrustError if there is none that can be trusted."""
        return self.open().trusted_roots(self.root()).root


class SigningKey(dg.ConfigurableResource):  # type: ignore[type-arg]  # the base's parameter is its own subject
    """Where the key that signs is. It is read in the step that signs, and nowhere else."""

    folder: str = Field(min_length=1, description="Folder of key files, for a key that no variable or command gives.")

    def signer(self, root: Root) -> Signer:
        """Read the targets key that a root knows. Raises TidegateError when there is none to be had.

        Dagster's own runs have no terminal: there an encrypted key needs its passphrase in a file or a variable.
        """
        return load_signer(Path(self.folder), "targets", root.role("targets").keyids)


class AssetStore(dg.ConfigurableResource):  # type: ignore[type-arg]  # as above
    """The folder of assets' data, for what is no asset's value: records by day, overrides, locks."""

    folder: str = Field(min_length=1)
    drop: str = Field(min_length=1, description="Folder with a folder for each source, where captures are dropped.")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)

    @property
    def drop_path(self) -> Path:
        """The folder where captures are dropped."""
        return Path(self.drop)

    def day_of(self, asset: str, day: date, source: str) -> Path:
        """Where the I/O manager keeps an asset's day of a source."""
        return self.path / asset / str(day) / f"{source}.parquet"


def default_registry() -> str:
    """TIDEGATE_REGISTRY, else ``var/registry``."""
    return os.environ.get("TIDEGATE_REGISTRY", str(VAR / "registry"))


def default_keys() -> str:
    """TIDEGATE_KEYS, else ``var/keys``."""
    return os.environ.get("TIDEGATE_KEYS", str(VAR / "keys"))


def default_store() -> str:
    """TIDEGATE_STORE, else ``var/store``."""
    return os.environ.get("TIDEGATE_STORE", str(VAR / "store"))
