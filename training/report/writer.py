"""Where a page goes. What draws plots takes a second to load, so it is loaded only for one who wants a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from flows.errors import TidegateError, UsageError
from training.report.contents import Contents

_SUFFIXES: Final = (".html", ".htm")


def page_writer(path: Path) -> Callable[[Contents], None]:
    """Return what will write a page to a file; to be asked for before the work of hours that it is to tell of.

    Raises:
        UsageError: no page can be written there.
        TidegateError: matplotlib or Jinja is not installed; from what is returned, the page could not be written.
    """
    if path.suffix.lower() not in _SUFFIXES:  # before a forgotten name costs a capture
        raise UsageError(f"cannot write a page to {path}: its name must end in .html")
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"cannot write a page to {path}: name a file in a folder that is there")
    try:
        from training.report.page import page
    except ModuleNotFoundError as error:
        raise TidegateError(
            f"a page needs the package {error.name!r}, which is not installed here; install Tidegate with the extra "
            "that has it: pip install 'tidegate[orchestration]'"
        ) from error

    def write(contents: Contents) -> None:
        text = page(contents)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TidegateError(f"cannot write the page to {path}: {error.strerror}; name another file") from error

    return write
