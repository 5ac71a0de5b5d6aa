"""Settings: what the processes that use Kafka may be told, from where, and what is allowed.

Every setting stands once, in :class:`Settings`. It is read from a command-line option, else from
``TIDEGATE_<NAME>`` in the environment, else from one TOML file (same names, lower case, without the prefix), else it
has its default. Everything is checked when it is read; an error names the setting, where it stood and what is allowed.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from flows.errors import UsageError
from flows.formats import FORMATS
from flows.keying import DEFAULT_HOME, HomeNetworks

PREFIX: Final = "TIDEGATE_"
# Read by other rooms or by the test suite, so not ours to complain about.
_ELSEWHERE: Final = {
    *("CONFIG", "REQUIRE_REAL", "DATASETS"),
    # Of the learning half, which may share an environment.
    *("STORE", "DROP", "DATA", "SITE", "RECORDED_SINCE", "RECORDED_DAYS", "FLOW_SHARE", "TOPIC_FEEDBACK"),
    *(
        "BENIGN_SHARE",
        "AUTOMATION",
        "EXECUTOR",
        "STEPS_AT_ONCE",
        "ENOUGH_LABELS",
        "PRECISION_FLOOR",
        "PRECISION_LABELS",
    ),
}
# Kubernetes gives every pod variables for each Service; a Service named "tidegate" makes them look like settings.
_KUBERNETES: Final = re.compile(
    r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)
_MASK: Final = "********"
# What only `tidegate rekey` is told. It may share an environment or a file with `tidegate serve`.
OF_REKEY: Final = ("topic_raw", "group_raw", "format_raw")


def _setting(default: Any, parse: Callable[[str], Any], about: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "about": about, "secret": secret})


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("allowed is text that is not empty")
    return value.strip()


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise ValueError("allowed is a Kafka topic name: up to 249 letters, digits, '.', '_' and '-'")
    return value


def _endpoint(value: str) -> tuple[str, int]:
    host, colon, port = value.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError("allowed is HOST:PORT, such as 0.0.0.0:8080 or [::]:8080")
    return host, int(port)


def _endpoints(value: str) -> str:
    for part in value.split(","):
        _endpoint(part)
    return ",".join(part.strip() for part in value.split(","))


def _networks(value: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in value.split(","))
    HomeNetworks(networks)
    return networks


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.strip().lower() not in {choice.lower() for choice in allowed}:
            raise ValueError(f"allowed is one of: {', '.join(allowed)}")
        return next(choice for choice in allowed if choice.lower() == value.strip().lower())

    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,18}", value.strip()) or not low <= int(value) <= high:
            raise ValueError(f"allowed is a whole number from {low} to {high}")
        return int(value)

    return parse


def _switch(value: str) -> bool:
    try:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[value.strip().lower()]
    except KeyError:
        raise ValueError("allowed is true or false") from None


def _path(value: str) -> Path:
    return Path(_text(value))


def _existing_file(value: str) -> Path:
    path = _path(value)
    if not path.is_file():
        raise ValueError("allowed is the path of a file that exists")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the processes can be told. Made by :func:`load_settings`."""

    bootstrap: str = _setting("127.0.0.1:9092", _endpoints, "Kafka bootstrap servers, HOST:PORT[,HOST:PORT…]")
    group: str = _setting("tidegate", _text, "consumer group")
    topic_flows: str = _setting("tidegate.flows", _topic, "topic of flows keyed by host, read by `tidegate serve`")
    topic_raw: str = _setting("tidegate.raw", _topic, "topic that exporters write to, read by `tidegate rekey`")
    group_raw: str = _setting("tidegate.rekey", _text, "consumer group of `tidegate rekey`")
    format_raw: str | None = _setting(
        None, _choice(*FORMATS), "format of raw messages without a `format` header (default: recognised)"
    )
    topic_verdicts: str = _setting("tidegate.verdicts", _topic, "topic for verdicts")
    topic_alerts: str = _setting("tidegate.alerts", _topic, "topic for alerts")
    topic_dead_letters: str = _setting("tidegate.flows.dlq", _topic, "topic for messages that cannot be decoded")
    format: str = _setting("canonical", _choice(*FORMATS), "format of messages without a `format` header")
    verdicts: str = _setting("alerts", _choice("alerts", "all"), "publish verdicts of `all` flows or only of `alerts`")
    home: tuple[str, ...] = _setting(DEFAULT_HOME, _networks, "home networks, comma-separated CIDR blocks")
    registry: str = _setting("var/registry", _text, "registry of signed models")
    root: Path | None = _setting(None, _existing_file, "root metadata to trust (default: the registry's own first)")  # noqa: RUF009  (a dataclass field)
    state: Path | None = _setting(None, _path, "directory for what is remembered: manifest version seen, logs followed")  # noqa: RUF009  (a dataclass field)
    min_version: int = _setting(0, _integer(0, 10**15), "lowest manifest version to accept")
    batch_size: int = _setting(2048, _integer(1, 100_000), "most messages in one batch")
    linger_ms: int = _setting(50, _integer(1, 5_000), "longest wait for a batch to fill, ms")
    listen: tuple[str, int] = _setting(("0.0.0.0", 8080), _endpoint, "address of the HTTP endpoints")  # noqa: S104  (a container's port must be reachable)
    kafka_protocol: str = _setting(
        "plaintext", _choice("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"), "security protocol towards Kafka"
    )
    kafka_mechanism: str = _setting(
        "SCRAM-SHA-512", _choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), "SASL mechanism (with sasl_* protocols)"
    )
    kafka_username: str | None = _setting(None, _text, "SASL user name")
    kafka_password: str | None = _setting(None, _text, "SASL password", secret=True)
    kafka_ca: Path | None = _setting(None, _existing_file, "CA certificates (PEM) that the brokers must chain to")  # noqa: RUF009  (a dataclass field)
    log_level: str = _setting("info", _choice("debug", "info", "warning", "error"), "least severe level to log")
    log_json: bool = _setting(False, _switch, "log one JSON object per line")

    def __post_init__(self) -> None:
        if self.kafka_protocol.startswith("sasl") and (self.kafka_username is None or self.kafka_password is None):
            raise UsageError(
                f"setting kafka_protocol is {self.kafka_protocol}, which needs a login: set TIDEGATE_KAFKA_USERNAME "
                "and TIDEGATE_KAFKA_PASSWORD, or allow plaintext or ssl"
            )

    def shown(self) -> dict[str, Any]:
        """Every setting in force as JSON-ready values, secrets masked."""
        values: dict[str, Any] = {}
        for spec in fields(self):
            value = getattr(self, spec.name)
            if spec.metadata["secret"] and value is not None:
                value = _MASK
            elif spec.name == "listen":
                value = f"[{value[0]}]:{value[1]}" if ":" in value[0] else f"{value[0]}:{value[1]}"
            elif isinstance(value, Path):
                value = str(value)
            elif isinstance(value, tuple):
                value = ",".join(value)
            values[spec.name] = value
        return values


def settings_fields() -> dict[str, Field[Any]]:
    """Setting name -> its field; ``metadata`` holds ``about`` and ``secret``."""
    return {spec.name: spec for spec in fields(Settings)}


def load_settings(
    environ: Mapping[str, str], config: Path | None = None, options: Mapping[str, str] | None = None
) -> Settings:
    """Read and check all settings; ``options`` (from the command line) win over ``environ`` over the TOML file.

    Raises:
        UsageError: a name is unknown, a value is not allowed, or the file cannot be read.
    """
    values = {}
    if config is not None:
        values.update({name: (value, f"in {config}") for name, value in _from_file(config).items()})
    values.update({name: (value, f"as {PREFIX}{name.upper()}") for name, value in _from_environ(environ).items()})
    for name, value in (options or {}).items():
        values[name] = (value, f"as --{name.replace('_', '-')}")
    return Settings(**{name: _parsed(name, value, where) for name, (value, where) in values.items()})


def _parsed(name: str, value: str, where: str) -> Any:
    spec = settings_fields()[name]
    try:
        return spec.metadata["parse"](value)
    except (ValueError, UsageError) as error:
        shown = _MASK if spec.metadata["secret"] else repr(value)
        raise UsageError(f"setting {name} ({where}) is {shown}: {error}") from None


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX)
        if name in _ELSEWHERE or name.startswith("TEST_") or _KUBERNETES.match(name):
            continue
        if re.match(r"(\w+_)?PORT$", name) and re.match(r"(tcp|udp|sctp)://", value):
            continue  # also Kubernetes's: the address of the Service
        if name.lower() not in settings_fields() or name != name.upper():
            raise UsageError(f"{variable} is not a setting{_suggestion(name.lower(), PREFIX, str.upper)}")
        found[name.lower()] = value
    return found


def _from_file(path: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read the settings file {path}: {error.strerror}; give --config a readable file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings file {path} is not TOML: {error}") from None
    found = {}
    for name, value in table.items():
        if name not in settings_fields():
            raise UsageError(f"{name!r} in {path} is not a setting{_suggestion(name, '', str)}")
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = ",".join(value)
        if not isinstance(value, str | int):
            raise UsageError(f"setting {name} in {path} is {value!r}: allowed is text, a whole number, true or false")
        found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _suggestion(name: str, prefix: str, style: Callable[[str], str]) -> str:
    close = difflib.get_close_matches(name, settings_fields(), n=1)
    hint = f"; did you mean {prefix}{style(close[0])}?" if close else ""
    return f"{hint} (`tidegate serve --check` lists all settings)"
