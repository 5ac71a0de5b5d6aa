"""What every store of a registry must do, as checks that the tests of each kind of store run on an empty one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.stores.base import Store

LIMIT: Final = 1000  # bytes, for files that are shorter
WRITERS: Final = 4
ROUNDS: Final = 20


def refusal(store: Store, name: str, limit: int = LIMIT) -> TrustError:
    """Return the error that reading a file ends with."""
    with pytest.raises(TrustError) as caught:
        store.read(name, limit)
    assert str(caught.value).startswith(f"{name}: ")
    return caught.value


def a_file_is_missing_until_it_is_put(store: Store) -> None:
    assert not store.has("a.json")
    assert refusal(store, "a.json").reason is Reason.MISSING
    assert refusal(store, "blobs/aa").reason is Reason.MISSING
    store.put("a.json", b"1")
    assert store.has("a.json")
    assert not store.has("a.jso")


def what_is_put_is_read(store: Store) -> None:
    for name, data in (("a.json", bytes(range(256))), ("blobs/aa", b"2"), ("blobs/bb", b"")):
        store.put(name, data)
        assert store.read(name, LIMIT).data == data
    store.put("a.json", b"other")
    with store.reading():
        assert store.read("a.json", LIMIT).data == b"other"
    assert store.read("blobs/aa", LIMIT).data == b"2"


def a_large_file_is_read_whole(store: Store) -> None:
    data = bytes(range(256)) * (40 << 10)
    store.put("blobs/aa", data)
    assert store.read("blobs/aa", len(data)).data == data


def a_file_over_the_limit_is_refused(store: Store) -> None:
    store.put("a.json", b"12345")
    assert store.read("a.json", 5).data == b"12345"
    assert refusal(store, "a.json", 4).reason is Reason.OVERSIZED
    assert refusal(store, "a.json", 0).reason is Reason.OVERSIZED
    store.put("a.json", b"")
    assert store.read("a.json", 0).data == b""


def a_tag_tells_one_content_from_another(store: Store) -> None:
    store.put("a.json", b"1")
    tag = store.read("a.json", LIMIT).tag
    assert store.read("a.json", LIMIT).tag == tag
    store.put("a.json", b"2")
    assert store.read("a.json", LIMIT).tag != tag


def folders_are_listed_one_at_a_time_and_by_name(store: Store) -> None:
    assert store.entries() == []
    for name in ("b.json", "blobs/bb", "a.json", "blobs/aa", "blobs-of-old"):
        store.put(name, b"1")
    assert [(entry.name, entry.kind) for entry in store.entries()] == [
        ("a.json", "file"),
        ("b.json", "file"),
        ("blobs", "folder"),
        ("blobs-of-old", "file"),
    ]
    assert [(entry.name, entry.kind) for entry in store.entries("blobs")] == [("aa", "file"), ("bb", "file")]
    assert store.entries("missing") == []


def an_entry_says_when_it_was_written(store: Store) -> None:
    store.put("blobs/aa", b"1")
    for entry in (*store.entries(), *store.entries("blobs")):
        assert abs(entry.modified - datetime.now(UTC)) < timedelta(minutes=1)


def a_removed_file_is_gone(store: Store) -> None:
    store.put("blobs/aa", b"1")
    store.put("a.json", b"1")
    store.remove("blobs/aa")
    store.remove("blobs/aa")
    store.remove("never.json")
    assert not store.has("blobs/aa")
    assert store.entries("blobs") == []
    assert store.has("a.json")


def a_file_is_created_only_where_there_is_none(store: Store) -> None:
    with store.writing():
        store.swap("a.json", b"first", None)
        with pytest.raises(ChangedError):
            store.swap("a.json", b"second", None)
    assert store.read("a.json", LIMIT).data == b"first"


def a_file_is_replaced_only_if_it_is_the_one_that_was_read(store: Store) -> None:
    store.put("a.json", b"1")
    tag = store.read("a.json", LIMIT).tag
    with store.writing():
        store.swap("a.json", b"2", tag)
        with pytest.raises(ChangedError):
            store.swap("a.json", b"3", tag)
        assert store.read("a.json", LIMIT).data == b"2"
        tag = store.read("a.json", LIMIT).tag
        store.remove("a.json")
        with pytest.raises(ChangedError):
            store.swap("a.json", b"4", tag)
    assert not store.has("a.json")


def writers_at_once_lose_no_update(store: Store) -> None:
    """Each adds one, so often; what fails because another came first is read and tried again."""
    store.put("counter", b"0")
    conflicts = []

    def count(_: int) -> None:
        done = 0
        while done < ROUNDS:
            with store.writing():
                data, tag = store.read("counter", LIMIT)
                try:
                    store.swap("counter", str(int(data) + 1).encode(), tag)
                    done += 1
                except ChangedError as conflict:
                    conflicts.append(conflict)

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(count, range(WRITERS)))
    assert int(store.read("counter", LIMIT).data) == WRITERS * ROUNDS
    assert not (store.locks and conflicts)


def of_creators_at_once_one_wins(store: Store) -> None:
    together = threading.Barrier(WRITERS)

    def create(number: int, name: str) -> bool:
        together.wait()
        with store.writing():
            try:
                store.swap(name, str(number).encode(), None)
            except ChangedError:
                return False
            return True

    with ThreadPoolExecutor(WRITERS) as threads:
        for turn in range(ROUNDS):
            won = list(threads.map(create, range(WRITERS), [f"{turn}.json"] * WRITERS))
            assert won.count(True) == 1
            assert store.read(f"{turn}.json", LIMIT).data == str(won.index(True)).encode()


def a_reader_sees_one_content_or_the_other(store: Store) -> None:
    contents = [letter.encode() * 300_000 for letter in "abcdef"]
    store.put("a.json", contents[0])
    over = threading.Event()

    def write() -> None:
        for content in contents * 5:
            store.put("a.json", content)
        over.set()

    with ThreadPoolExecutor(1) as thread:
        written = thread.submit(write)
        while not over.is_set() and not written.done():
            assert store.read("a.json", 300_000).data in contents
        written.result()


CONTRACT: Final[tuple[Callable[[Store], None], ...]] = (
    a_file_is_missing_until_it_is_put,
    what_is_put_is_read,
    a_large_file_is_read_whole,
    a_file_over_the_limit_is_refused,
    a_tag_tells_one_content_from_another,
    folders_are_listed_one_at_a_time_and_by_name,
    an_entry_says_when_it_was_written,
    a_removed_file_is_gone,
    a_file_is_created_only_where_there_is_none,
    a_file_is_replaced_only_if_it_is_the_one_that_was_read,
    writers_at_once_lose_no_update,
    of_creators_at_once_one_wins,
    a_reader_sees_one_content_or_the_other,
)
