"""An object store that lies, floods, hangs or breaks off costs a registry's reader an error, and a writer no update."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

import pytest

from flows.errors import TidegateError
from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.stores import objects as object_store
from model_registry.stores.objects import ObjectStore
from tests.support import misbehaving
from tests.support.little_s3 import BUCKET, Act, LittleS3, Request, behave, carry_out, etag_of, listing
from tests.support.object_store import set_aws

URL: Final = f"s3://{BUCKET}/registry"
NAME: Final = "a.json"
KEY: Final = f"registry/{NAME}"
LIMIT: Final = 1 << 20
PATIENCE: Final = 0.5
SECONDS: Final = 4.0
SLACK: Final = 24 << 20  # bytes that lie in the sockets' buffers between a server that floods and a client that hung up
Ask = Callable[[ObjectStore], object]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LittleS3]:
    with LittleS3() as server:
        set_aws(monkeypatch, server.address)
        yield server


@pytest.fixture
def store(server: LittleS3) -> ObjectStore:  # noqa: ARG001 - the server is up
    return ObjectStore(URL)


@pytest.fixture
def hasty(server: LittleS3, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:  # noqa: ARG001 - the server is up
    """A store of little patience, so that what hangs does not hold up the tests; its process is started."""
    monkeypatch.setattr(object_store, "PATIENCE", PATIENCE)
    monkeypatch.setattr(object_store, "SECONDS", SECONDS)
    store = ObjectStore(URL)
    assert not store.has(NAME)
    return store


@pytest.mark.parametrize(
    "act", [misbehaving.pour(), misbehaving.pour_in_chunks(200)], ids=["as announced", "with ten bytes announced"]
)
def test_endless_data_is_read_up_to_the_limit(server: LittleS3, store: ObjectStore, act: Act) -> None:
    server.play([act])
    with pytest.raises(TrustError, match=r"a\.json: longer than the 1048576 bytes it may have") as refusal:
        store.read(NAME, LIMIT)
    assert refusal.value.reason is Reason.OVERSIZED
    assert server.sent < LIMIT + SLACK


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize(
    "flood",
    [
        lambda status: misbehaving.pour(status=status),
        lambda status: misbehaving.pour(status=status, length=1 << 33),
        misbehaving.pour_in_chunks,
    ],
    ids=["of a terabyte", "of 8 GB", "of ten bytes"],
)
def test_an_endless_error_costs_neither_memory_nor_the_process(
    server: LittleS3, store: ObjectStore, flood: Callable[[int], Act], status: int
) -> None:
    server.objects[KEY] = b"1"
    server.play(itertools.repeat(flood(status)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TidegateError, match=f"^{URL}/{NAME}: cannot be read: the server answers more than "):
        store.read(NAME, LIMIT)
    server.play([])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB
    assert store.read(NAME, LIMIT).data == b"1"


def test_a_body_that_is_longer_than_announced_is_cut_off_there(server: LittleS3, store: ObjectStore) -> None:
    server.play([misbehaving.lie(b"x" * 5000, 1000)])
    assert store.read(NAME, LIMIT).data == b"x" * 1000


def test_a_body_that_breaks_off_is_completed_or_refused(server: LittleS3, store: ObjectStore) -> None:
    server.objects[KEY] = b"0123456789"
    cut_off = misbehaving.lie(b"01234", 10, etag_of(b"0123456789"))
    server.play([cut_off])
    assert store.read(NAME, LIMIT).data == b"0123456789"
    server.play(itertools.repeat(cut_off))
    with pytest.raises(TidegateError, match=r"a\.json: cannot be read"):
        store.read(NAME, LIMIT)


def test_contents_of_two_writers_are_never_mixed(server: LittleS3, store: ObjectStore) -> None:
    def break_off_and_swap(request: Request) -> None:
        misbehaving.lie(b"aaaaa", 10, etag_of(b"a" * 10))(request)
        server.objects[KEY] = b"b" * 10

    server.play([break_off_and_swap])
    with pytest.raises(TidegateError, match=r"a\.json: cannot be read"):
        store.read(NAME, LIMIT)


READ: Final[Ask] = lambda store: store.read(NAME, LIMIT)  # noqa: E731 - one of a list
LIST: Final[Ask] = lambda store: store.entries()  # noqa: E731
SLOW: Final[dict[str, tuple[Act, Ask]]] = {
    "silent to a reader": (misbehaving.keep_silent, READ),
    "silent to a listing": (misbehaving.keep_silent, LIST),
    "silent to a question": (misbehaving.keep_silent, lambda store: store.has(NAME)),
    "silent to a writer": (misbehaving.keep_silent, lambda store: store.put(NAME, b"1")),
    "silent to a publisher": (misbehaving.keep_silent, lambda store: store.swap(NAME, b"1", None)),
    "stalling": (misbehaving.stall(b"x" * 1000), READ),
    "stalling in a listing": (misbehaving.stall(listing(["registry/a"])), LIST),
    "dripping": (misbehaving.stall(b"x" * 1000, pause=PATIENCE / 3), READ),
    "dripping in a listing": (misbehaving.stall(listing(["registry/a"]), pause=PATIENCE / 3), LIST),
}


@pytest.mark.parametrize(("act", "ask"), SLOW.values(), ids=SLOW)
def test_a_server_that_takes_too_long_is_given_up(server: LittleS3, hasty: ObjectStore, act: Act, ask: Ask) -> None:
    server.play(itertools.repeat(act))
    begun = time.monotonic()
    with pytest.raises(TidegateError, match=f"^{URL}.*: .*; check AWS_ENDPOINT_URL and the network, and try again$"):
        ask(hasty)
    assert time.monotonic() - begun < 2 * SECONDS + 1


def test_an_endless_listing_is_given_up(server: LittleS3, store: ObjectStore) -> None:
    page = listing((f"registry/{number}" for number in range(1000)), following="again")
    server.play(lambda request: request.answer(200, page) for _ in itertools.count())
    with pytest.raises(TrustError, match=f"^{URL}: more files than a registry may have") as refusal:
        store.entries()
    assert refusal.value.reason is Reason.OVERSIZED


@pytest.mark.parametrize("start", [b"<ListBucketResult>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"\xff"])
def test_an_endless_page_of_a_listing_is_given_up(server: LittleS3, store: ObjectStore, start: bytes) -> None:
    server.play(itertools.repeat(misbehaving.pour(start)))
    with pytest.raises(TidegateError, match=f"^{URL}: cannot be listed"):
        store.entries()


@pytest.mark.parametrize("tag", [None, etag_of(b"old")], ids=["create", "replace"])
@pytest.mark.parametrize(
    "act", [misbehaving.lose_the_answer, misbehaving.do_it_and_fail], ids=["no answer", "a failure for an answer"]
)
def test_a_lost_answer_does_not_look_like_a_conflict(
    server: LittleS3, store: ObjectStore, act: Act, tag: str | None
) -> None:
    if tag:
        server.objects[KEY] = b"old"
    server.play([act])
    store.swap(NAME, b"new", tag)
    assert server.objects == {KEY: b"new"}


def test_a_lost_answer_with_another_writer_after_it_is_a_conflict(server: LittleS3, store: ObjectStore) -> None:
    def do_it_and_fail_and_let_another_write(request: Request) -> None:
        carry_out(request)
        server.objects[KEY] = b"another's"
        misbehaving.fail(500)(request)

    server.play([do_it_and_fail_and_let_another_write])
    with pytest.raises(ChangedError, match=f"^{URL}/a.json: changed since it was read; try again"):
        store.swap(NAME, b"new", None)
    assert server.objects == {KEY: b"another's"}


def test_another_writer_of_the_very_same_content_is_a_conflict(server: LittleS3, store: ObjectStore) -> None:
    server.objects[KEY] = b"new"
    with pytest.raises(ChangedError):
        store.swap(NAME, b"new", etag_of(b"old"))
    with pytest.raises(ChangedError):
        store.swap(NAME, b"new", None)


def test_a_write_that_failed_is_not_taken_for_done(server: LittleS3, store: ObjectStore) -> None:
    server.objects[KEY] = b"old"
    server.play([misbehaving.hang_up])
    with pytest.raises(TidegateError, match=r"a\.json: perhaps not written: the connection broke off") as failure:
        store.swap(NAME, b"new", etag_of(b"old"))
    assert not isinstance(failure.value, ChangedError)


@pytest.mark.parametrize("tag", [None, '"1"'], ids=["create", "replace"])
def test_a_conflict_that_the_server_notices_on_the_way_is_a_conflict(
    server: LittleS3, store: ObjectStore, tag: str | None
) -> None:
    server.play([misbehaving.fail(409, "ConditionalRequestConflict")] * 3)
    with pytest.raises(ChangedError):
        store.swap(NAME, b"new", tag)


@pytest.mark.parametrize("ignored", ["If-Match", "If-None-Match"])
def test_a_server_that_ignores_conditions_is_refused_when_the_first_file_is_made(
    server: LittleS3, store: ObjectStore, ignored: str
) -> None:
    server.heeded.remove(ignored)
    with pytest.raises(TidegateError, match="does not heed If-None-Match or If-Match"):
        store.swap(NAME, b"new", None)
    assert server.objects == {KEY: b"new"}


def test_a_server_without_tags_cannot_be_written_to(server: LittleS3, store: ObjectStore) -> None:
    server.play([lambda request: request.answer(200, b"old")])
    found = store.read(NAME, LIMIT)
    assert found.data == b"old"
    with pytest.raises(TidegateError, match="the server gives no ETag"):
        store.swap(NAME, b"new", found.tag)


def test_what_is_left_in_the_middle_is_not_taken_for_the_next_answer(server: LittleS3, store: ObjectStore) -> None:
    class Interrupted(Exception):  # noqa: N818 - as KeyboardInterrupt
        pass

    def interrupt(*_: object) -> NoReturn:
        raise Interrupted

    def answer_late(request: Request) -> None:
        time.sleep(0.2)
        behave(request)

    server.objects |= {KEY: b"1", "registry/b.json": b"2"}
    assert store.has(NAME)
    server.play([answer_late])
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Interrupted):
            store.read(NAME, LIMIT)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert store.read("b.json", LIMIT).data == b"2"


def clients(parent: int) -> list[int]:
    """The clients that a process has started and that are still there."""
    listed = subprocess.run(["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, check=False)
    return [int(line.split()[0]) for line in listed.stdout.decode().splitlines() if "object_client" in line]


@pytest.mark.usefixtures("server")
def test_the_client_ends_with_the_store_and_with_a_process_that_is_killed() -> None:
    own = set(clients(os.getpid()))
    store = ObjectStore(URL)
    assert not store.has(NAME)
    (client,) = set(clients(os.getpid())) - own
    del store
    assert client not in clients(os.getpid())
    program = (
        "import os, signal\n"
        "from tests.adversarial.test_hostile_object_store import clients\n"
        "from model_registry.stores.objects import ObjectStore\n"
        f"store = ObjectStore({URL!r})\n"
        "store.has('a.json')\n"
        "print(*clients(os.getpid()), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    client = int(killed.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(client, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"the client {client} lives on")
