"""``python -m tests.vectors``: make the folder of the vectors anew."""

from __future__ import annotations

import shutil
from typing import Final

from tests.support.real import REPOSITORY
from tests.vectors.all import all_vectors
from tests.vectors.vector import written

FOLDER: Final = REPOSITORY / "docs" / "registry-format" / "vectors"


def main() -> None:
    """Write the index and the files of all vectors, and nothing else."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path, data in written(all_vectors()).items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_bytes(data)


if __name__ == "__main__":
    main()
