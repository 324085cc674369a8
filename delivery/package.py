"""Build what a release is made of: `python -m delivery package` (`make build`).

Everything comes from a commit, not from the working tree, and the same commit gives the same bytes:
times are those of the commit, or SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from delivery.build import REVISION, archive, git, resolved
from delivery.errors import DeliveryError
from delivery.scanner_programs import program
from delivery.secrets import refuse_secrets

NAME = "mltrading"
SUMS = "SHA256SUMS"
CONFIGURATION = (
    "staging.yml",
    "production.yml",
    "alerting.yml",
    "Procfile",
    "app.json",
    "runtime.txt",
    "requirements.txt",
    REVISION,
)


def package(repository: Path, commit: str, into: Path) -> list[Path]:
    """The files of the release of a commit, in `into`, which afterwards holds no earlier release.

    A wheel, the bundles of static files and of configuration, the bill of materials, and SHA256SUMS
    of them. DeliveryError where a part can not be made or the configuration holds a secret.
    """
    epoch = _epoch(repository, commit)
    with tempfile.TemporaryDirectory(prefix="mltrading-package-") as folder:
        tree, made = Path(folder, "tree"), Path(folder, "dist")
        made.mkdir()
        _unpack(archive(repository, commit), tree)
        version = _version(tree)
        static = {str(p.relative_to(tree)): p for p in (tree / "static").rglob("*") if p.is_file()}
        named = {name: tree / name for name in CONFIGURATION if (tree / name).is_file()}
        refuse_secrets(named.values())
        _write(made / f"{NAME}-{version}-static.tar.gz", bundle(static, epoch))
        _write(made / f"{NAME}-{version}-configuration.tar.gz", bundle(named, epoch))
        _bill_of_materials(tree, made / f"{NAME}-{version}.cdx.json", epoch)
        _wheel(tree, made, epoch)
        _write(made / SUMS, sums(sorted(made.iterdir())).encode())
        return _hand_over(made, into)


def bundle(files: Mapping[str, Path], epoch: int) -> bytes:
    """A tar.gz whose bytes depend on names, contents and `epoch` alone."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), epoch, 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), compresslevel=9, mtime=epoch)


def sums(files: Iterable[Path]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)


def _epoch(repository: Path, commit: str) -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    text = given or git(repository, "log", "-1", "--format=%ct", commit).decode().strip()
    # A zip file, which a wheel is, can not say a time before 1980.
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) < 315_532_800:
        raise DeliveryError(f"SOURCE_DATE_EPOCH is '{text}', not seconds since 1970, from 1980 on")
    return int(text)


def _unpack(content: bytes, into: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(into, filter="data")
    # The wheel carries the name of its commit where the package looks for it.
    carried = into / "src" / NAME / "config"
    carried.mkdir()
    shutil.copy(into / REVISION, carried / REVISION)


def _version(tree: Path) -> str:
    found = re.search(r"^## ([0-9]+\.[0-9]+\.[0-9]+)", (tree / "CHANGELOG.md").read_text(), re.M)
    if not found:
        raise DeliveryError("CHANGELOG.md names no version; begin a section as '## 1.2.3'")
    return found[1]


def _wheel(tree: Path, into: Path, epoch: int) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    _run(command, tree, epoch, "hatchling is in .venv; run it from there: make build")


def _bill_of_materials(tree: Path, path: Path, epoch: int) -> None:
    """Every package that is installed with the release, with its version and hashes."""
    options = ["--output-reproducible", "--of", "JSON", "-o", str(path)]
    described = ["--pyproject", str(tree / "pyproject.toml"), "--mc-type", "application"]
    command = [
        program("cyclonedx-py", os.environ),
        "requirements",
        *options,
        *described,
        str(tree / "requirements.txt"),
    ]
    _run(command, tree, epoch, "see what it says")


def _run(command: list[str], folder: Path, epoch: int, advice: str) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        name = Path(command[2] if command[1] == "-m" else command[0]).name
        raise DeliveryError(f"{name} failed: {' '.join(said)}; {advice}")


def _hand_over(made: Path, into: Path) -> list[Path]:
    """The finished files in their place; those of an earlier release are gone."""
    into.mkdir(parents=True, exist_ok=True)
    for old in [*into.glob(f"{NAME}-*"), into / SUMS]:
        old.unlink(missing_ok=True)
    return [Path(shutil.copyfile(path, into / path.name)) for path in sorted(made.iterdir())]


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: python -m delivery package --commit HEAD --into dist"
    parser.add_argument(
        "--commit", default=os.environ.get("GITHUB_SHA") or "HEAD", help="default GITHUB_SHA, HEAD"
    )
    parser.add_argument("--into", type=Path, default=Path("dist"), metavar="FOLDER")
    parser.set_defaults(run=_run_verb)


def _run_verb(arguments: argparse.Namespace) -> int:
    repository = Path.cwd()
    commit = resolved(repository, arguments.commit)
    if git(repository, "status", "--porcelain", "--untracked-files=no").strip():
        print(f"the working tree differs from {commit[:12]}; the commit is packaged", flush=True)
    for path in package(repository, commit, arguments.into):
        print(f"{path.stat().st_size:>12,} bytes  {path}")
    return 0
