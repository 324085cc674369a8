"""The folder of one server: private, found by all its processes, removed when it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mltrading.utils.scratch import server_folder

pytestmark = pytest.mark.smoke


def test_all_who_name_the_server_get_one_private_folder(tmp_path: Path) -> None:
    folder = server_folder(os.getpid(), tmp_path)
    assert folder == server_folder(os.getpid(), tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert server_folder(os.getppid(), tmp_path) != folder


def test_the_folder_of_a_server_that_is_gone_goes_with_the_next(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        old = server_folder(server.pid, tmp_path)
        mine = server_folder(os.getpid(), tmp_path)
        assert old.exists()
        server.kill()
    server_folder(os.getpid(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    server_folder(os.getpid(), tmp_path).chmod(0o755)
    with pytest.raises(OSError, match="not a folder of ours alone"):
        server_folder(os.getpid(), tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    folder = server_folder(os.getpid(), tmp_path)
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="not a folder of ours alone"):
        server_folder(os.getpid(), tmp_path)
