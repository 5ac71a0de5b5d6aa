"""A registry's files in an object store: what every store promises, over real HTTP, and what is said when it fails."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from flows.errors import TidegateError, UsageError
from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.stores.base import Store
from model_registry.stores.objects import ObjectStore
from tests.support.little_s3 import BUCKET, Act, LittleS3, listing
from tests.support.misbehaving import fail, hang_up
from tests.support.object_store import set_aws
from tests.support.store_contract import CONTRACT, LIMIT

URL: Final = f"s3://{BUCKET}/registry"
Check = Callable[[Store], None]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LittleS3]:
    with LittleS3() as server:
        set_aws(monkeypatch, server.address)
        yield server


@pytest.fixture
def store(server: LittleS3) -> ObjectStore:  # noqa: ARG001 - the server is up
    return ObjectStore(URL)


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_it_does_what_every_store_must(store: ObjectStore, check: Check) -> None:
    check(store)


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_on_a_real_server_it_does_what_every_store_must(s3: str, check: Check) -> None:
    check(ObjectStore(s3))


def test_on_a_real_server_many_writers_with_clients_of_their_own_lose_no_update(s3: str) -> None:
    ObjectStore(s3).put("counter", b"0")
    together = threading.Barrier(8)

    def count(writer: int) -> int:
        store = ObjectStore(s3)
        conflicts = done = 0
        together.wait()
        while done < 20:
            text, tag = store.read("counter", LIMIT)
            try:
                store.swap("counter", f"{int(text.split()[0]) + 1} by {writer}".encode(), tag)
                done += 1
            except ChangedError:
                conflicts += 1
        return conflicts

    with ThreadPoolExecutor(8) as threads:
        conflicts = sum(threads.map(count, range(8)))
    assert ObjectStore(s3).read("counter", LIMIT).data.startswith(b"160 by ")
    assert conflicts


def test_a_listing_of_several_pages_is_read_to_its_end(server: LittleS3, store: ObjectStore) -> None:
    pages = [listing(["registry/a", "registry/blobs/aa"], following="2"), listing(["registry/blobs/bb", "registry/c"])]
    server.play([lambda request: request.answer(200, pages[0]), lambda request: request.answer(200, pages[1])])
    assert [entry.name for entry in store.entries()] == ["a", "blobs", "c"]


def test_a_bucket_may_be_used_whole_and_prefixes_do_not_meet(server: LittleS3) -> None:
    for url in (f"s3://{BUCKET}", f"s3://{BUCKET}/a", f"s3://{BUCKET}/ab/"):
        ObjectStore(url).put("x.json", url.encode())
    assert server.objects.keys() == {"x.json", "a/x.json", "ab/x.json"}
    assert [entry.name for entry in ObjectStore(f"s3://{BUCKET}/a").entries()] == ["x.json"]
    assert str(ObjectStore(f"s3://{BUCKET}/ab/")) == f"s3://{BUCKET}/ab"


def test_the_markers_by_which_consoles_make_folders_are_no_files(server: LittleS3, store: ObjectStore) -> None:
    server.objects |= {"registry/": b"", "registry/blobs/": b"", "registry/blobs/aa": b"1"}
    assert [(entry.name, entry.kind) for entry in store.entries()] == [("blobs", "folder")]
    assert [entry.name for entry in store.entries("blobs")] == ["aa"]


@pytest.mark.parametrize("key", ["registry//a", "registry/../b", "registry/blobs/./c", "registry/a\x7f"])
def test_a_planted_key_that_is_no_name_of_a_file_is_refused(server: LittleS3, store: ObjectStore, key: str) -> None:
    server.objects[key] = b""
    with pytest.raises(TrustError, match=r"^s3://bucket/registry: in it is a key with // ") as refusal:
        store.entries()
    assert refusal.value.reason is Reason.UNACCOUNTED


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///registry",
        "s3:/bucket/registry",
        "S3://bucket/registry",
        "s3://bucket/../other",
        "s3://bucket/a//b",
        "s3://bucket/a?versionId=1",
        "s3://bucket/a#b",
        "s3://bucket/a%2fb",
        "s3://bucket/a b",
        "s3://bucket/a\n",
        "s3://bücket/a",
        "gs://bucket/registry",
        "https://bucket.s3.amazonaws.com/registry",
        "file:///registry",
    ],
)
def test_another_url_is_wrong_usage_and_the_message_says_what_is_right(url: str) -> None:
    with pytest.raises(UsageError, match="that is a folder, or s3://bucket/prefix") as refusal:
        ObjectStore(url)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["s3://AKIA:a/se/cret@bucket/registry", "https://bucket.example/registry?X-Amz-Signature=se/cret#se/cret"]
)
def test_a_secret_in_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="AWS_SECRET_ACCESS_KEY") as refusal:
        ObjectStore(url)
    assert "cret" not in str(refusal.value)


def test_the_library_is_loaded_by_the_process_that_needs_it_and_no_other() -> None:
    program = "import sys, model_registry.stores.objects; sys.exit('obstore' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


ASK: Final[dict[str, Callable[[Store], object]]] = {
    "read": lambda store: store.read("a.json", LIMIT),
    "has": lambda store: store.has("a.json"),
    "entries": lambda store: store.entries(),
    "put": lambda store: store.put("a.json", b"new"),
    "create": lambda store: store.swap("a.json", b"new", None),
    "replace": lambda store: store.swap("a.json", b"new", '"1"'),
    "remove": lambda store: store.remove("a.json"),
}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (fail(403, "AccessDenied"), "the server refuses; check AWS_ACCESS_KEY_ID"),
        (fail(401, "Unauthorized"), "the server refuses; check AWS_ACCESS_KEY_ID"),
        (fail(400, "ExpiredToken"), "the server answered 400; check AWS_ENDPOINT_URL"),
        (fail(500), "the server answered 500; check AWS_ENDPOINT_URL"),
        (hang_up, "the connection broke off; check AWS_ENDPOINT_URL"),
    ],
    ids=["denied", "unauthorized", "expired", "failing", "hanging up"],
)
def test_a_failure_says_where_it_was_and_what_to_do(server: LittleS3, store: ObjectStore, act: Act, said: str) -> None:
    server.play(itertools.repeat(act))
    for ask in ASK.values():
        with pytest.raises(TidegateError, match=f"^{URL}.*: {said}") as failure:
            ask(store)
        assert failure.value.exit_code == 1
        assert not re.search("127.0.0.1|THROWAWAY|throw-away|\n", str(failure.value))


def test_a_failure_that_passes_is_not_noticed(server: LittleS3, store: ObjectStore) -> None:
    for ask in (ASK["put"], ASK["has"], ASK["read"], ASK["entries"], ASK["remove"]):
        server.play([fail(503, "SlowDown"), fail(500)])
        ask(store)


@pytest.mark.parametrize(
    ("setting", "error", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, TidegateError, "there is no connection to the server"),
        ({"AWS_ENDPOINT_URL": "http://me:pass-word@127.0.0.1:9"}, TidegateError, "there is no connection"),
        ({"AWS_ENDPOINT_URL": "no address"}, TidegateError, "an AWS_. variable is garbled"),
        ({"AWS_ACCESS_KEY_ID": "pass-word\n"}, TidegateError, "an AWS_. variable is garbled"),
        ({"AWS_ALLOW_HTTP": None}, TidegateError, "plain http is not allowed.*AWS_ALLOW_HTTP=true"),
        ({"AWS_SECRET_ACCESS_KEY": None}, UsageError, "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_SKIP_SIGNATURE": "pass-word"}, UsageError, "switches to true or false"),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"},
            TidegateError,
            "no AWS_ACCESS_KEY_ID is set",
        ),
    ],
    ids=["nobody", "password", "no address", "line end", "http", "half", "no switch", "no credentials"],
)
@pytest.mark.usefixtures("server")
def test_a_wrong_setting_is_said_without_its_value(
    monkeypatch: pytest.MonkeyPatch, setting: dict[str, str | None], error: type[TidegateError], said: str
) -> None:
    for name, value in setting.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(error, match=f"^{URL}.*{said}") as failure:
        ObjectStore(URL).read("a.json", LIMIT)
    assert not re.search("127.0.0.1|pass-word|THROWAWAY|throw-away|\n", str(failure.value))


def test_what_the_environment_says_of_conditions_and_buckets_does_not_count(
    server: LittleS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    monkeypatch.setenv("AWS_BUCKET", "other")
    store = ObjectStore(URL)
    store.swap("a.json", b"1", None)
    with pytest.raises(ChangedError):
        store.swap("a.json", b"2", None)
    assert server.objects == {"registry/a.json": b"1"}
