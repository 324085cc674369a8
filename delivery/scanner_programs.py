"""The programs of scanners that no package index has: where they are, else fetched as pinned.

scanner-programs.json names version, address and SHA-256 of each for each platform. A program is
fetched where its scanner has its key, and kept in .cache/scanners; one that differs from its sum is
never written as a program.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from delivery.errors import DeliveryError
from delivery.findings import ROOT

PINNED = Path(__file__).with_name("scanner-programs.json")
KEPT = ROOT / ".cache" / "scanners"
SILENT_SECONDS = 30
LONGEST_SECONDS = 240
PIECE = 2**20


def program(name: str, environment: Mapping[str, str]) -> str:
    """Its path: beside this Python, in .venv-tools, in MLTRADING_TEST_TOOLS, in PATH, else fetched.
    DeliveryError where it is nowhere to be had."""
    folders = [
        *(str(Path(sys.executable).parent), str(ROOT / ".venv-tools" / "bin")),
        *(environment.get("MLTRADING_TEST_TOOLS", ""), environment.get("PATH", "")),
    ]
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    if found is not None:
        return found
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))
    if name not in pinned:
        raise DeliveryError(f"{name} is not installed; `make security` installs what it can")
    return str(fetched(name, pinned[name]))


def fetched(name: str, pinned: Mapping[str, Any]) -> Path:
    """The program of this platform, with the pinned sum."""
    here = f"{platform.system()}-{platform.machine()}"
    if here not in pinned["files"]:
        known = ", ".join(sorted(pinned["files"]))
        raise DeliveryError(f"{name} is not installed, and pinned for {known}, not for {here}")
    url, wanted = pinned["files"][here]["url"], pinned["files"][here]["sha256"]
    path = KEPT / f"{name}-{pinned['version']}-{wanted[:12]}" / name
    if path.exists():
        return path
    content = _download(name, url)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise DeliveryError(f"{name}: {url} has the sum {found}, pinned is {wanted}; not installed")
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{name}.{os.getpid()}")
    half.write_bytes(_unpacked(name, content) if url.endswith(".tar.gz") else content)
    half.chmod(0o755)
    half.replace(path)
    return path


def _download(name: str, url: str) -> bytes:
    """Whole, within LONGEST_SECONDS; in pieces, so that a trickle is noticed."""
    until = time.monotonic() + LONGEST_SECONDS
    pieces = []
    try:
        with urllib.request.build_opener().open(url, timeout=SILENT_SECONDS) as answer:
            while piece := answer.read(PIECE):
                pieces.append(piece)
                if time.monotonic() > until:
                    raise DeliveryError(f"{name}: {url} took longer than {LONGEST_SECONDS} s")
    except HTTPError as error:
        error.close()
        raise DeliveryError(f"{name} can not be fetched from {url}: {error}") from None
    except (OSError, HTTPException) as error:
        raise DeliveryError(f"{name} can not be fetched from {url}: {error}") from None
    return b"".join(pieces)


def _unpacked(name: str, archive: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as members:
        member = members.extractfile(name)
        if member is None:
            raise DeliveryError(f"{name} is no file in its archive")
        return member.read()
