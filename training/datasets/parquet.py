"""Columns of numpy as a Parquet file: a row per flow, and what is about all of them in the file's own metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from training.errors import TrainingError

Columns = dict[str, npt.NDArray[Any]]

_ABOUT: Final = b"tidegate"
_ROWS: Final = 1 << 16  # of a group: what is read at once where only some rows are wanted


def write_columns(path: Path, columns: Mapping[str, npt.NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write columns of one length, each of one number or text per row, and ``about``, which JSON can hold."""
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    table = table.replace_schema_metadata({_ABOUT: json.dumps(about)})
    texts = [name for name, column in columns.items() if column.dtype.kind not in "biuf"]
    pq.write_table(table, path, compression="zstd", use_dictionary=texts, row_group_size=_ROWS)


def read_columns(
    path: Path, names: list[str] | None = None, rows: npt.NDArray[np.bool_] | None = None
) -> tuple[Columns, dict[str, Any]]:
    """Read what :func:`write_columns` wrote; texts come back as an array of str.

    Args:
        names: of the columns to read; all of them without it.
        rows: bool[n], which to keep; what goes is never held in memory together. All of them without it.

    Raises:
        FileNotFoundError: there is no such file.
        TrainingError: it is no Parquet file, or not one of these.
    """
    try:
        table = pq.read_table(path, columns=names, memory_map=True) if rows is None else _some(path, rows)
    except pa.ArrowInvalid as error:
        raise TrainingError(f"{path} cannot be read as Parquet: {error}; materialize it again") from None
    about = (table.schema.metadata or {}).get(_ABOUT)
    if about is None:
        raise TrainingError(f"{path} was not written as a data set of ours; materialize it again")
    columns = {name: _numbers_or_texts(table.column(name)) for name in table.column_names}
    return columns, json.loads(about)


def _some(path: Path, rows: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows of a file that are kept, a group after the other."""
    with pq.ParquetFile(path) as file:
        kept, first = [file.schema_arrow.empty_table()], 0
        for number in range(file.num_row_groups):
            group = file.read_row_group(number, use_threads=False)  # threads would hold more of it at a time
            kept.append(group.filter(pa.array(rows[first : first + len(group)])))
            first += len(group)
        return pa.concat_tables(kept)


def _numbers_or_texts(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    return np.array(column.to_numpy())  # a copy: the file's own pages cannot be written to
