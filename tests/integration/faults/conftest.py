"""One place for the injections of a module, each of which leaves it well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.place import Place, placed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, binaries: Path | None) -> Iterator[Place]:
    with placed(tmp_path_factory.mktemp("place"), binaries) as found:
        yield found
