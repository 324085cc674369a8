"""Build and run the Dockerfile without a container engine: its steps in folders of their own.

Each stage is a root folder: the machine's programs and Python bound read-only, and what the steps
make. COPY takes what .dockerignore lets through, RUN runs as written, in that root folder. One
stand-in: `pip` checks that hashes are asked for, and offers the packages of this environment.
What this can not show: the base image, and the packages installed on it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.browser_fixtures import refuse_or_skip

SHARED = ("usr", "bin", "lib", "lib64", "etc")
PROGRAMS = "/stand-ins"
PYTHON = f"#!/bin/sh\nexec '{getattr(sys, '_base_executable')}' \"$@\"\n"  # noqa: B009 - untyped
PIP = f"""#!/bin/sh
case "$*" in
*--require-hashes*--only-binary=:all:*"-r requirements.txt") ;;
*) echo "pip: packages without hashes" >&2; exit 1 ;;
esac
grep -q -e --hash=sha256: requirements.txt || exit 1
for folder in /opt/venv/lib/python*/site-packages; do
    echo '{sysconfig.get_path("purelib")}' > "$folder/here.pth"
done
"""


def privileged() -> list[str]:
    """What makes a command root's: only root may change its root folder."""
    if os.geteuid() == 0:
        return []
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        refuse_or_skip("the image's steps need root, or sudo without a password")
    return ["sudo", "-n"]


@dataclass
class Stage:
    """A stage of the image, as far as its steps were taken."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        outside = [*(f"/{name}" for name in SHARED), sys.base_prefix, sysconfig.get_path("purelib")]
        self._outside = [path for path in outside if Path(path).exists()]
        for path in [*self._outside, PROGRAMS, "/dev", "/proc", "/tmp"]:  # noqa: S108
            (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for name, text in (("python", PYTHON), ("pip", PIP)):
            program = self.root / PROGRAMS.lstrip("/") / name
            program.write_text(text)
            program.chmod(0o755)

    def words(self, command: list[str], *, writable: bool = False, **extra: str) -> list[str]:
        """The command line that runs `command` in here as the stage's user; nothing but /tmp and
        /dev can be written, unless `writable`."""
        at = shlex.quote(str(self.root))
        steps = [f"mount --bind {at} {at}", f"mount -t tmpfs -o mode=1777 tmpfs {at}/tmp"]
        for path in self._outside:
            there = shlex.quote(f"{self.root}{path}")
            steps.append(f"mkdir -p {there} && mount --bind {shlex.quote(path)} {there}")
            steps.append(f"mount -o remount,bind,ro {there}")
        steps += [f"mount --rbind /dev {at}/dev", f"mount -t proc proc {at}/proc"]
        if not writable:
            steps.append(f"mount -o remount,bind,ro {at}")
        variables = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", **self.environment, **extra}
        run = ["chroot", f"--userspec={self.user}", "--groups=", str(self.root), "env", "-i"]
        run += [f"{name}={value}" for name, value in variables.items()]
        run += ["sh", "-c", 'cd "$0" && exec "$@"', self.folder, *command]
        script = f"set -e; {'; '.join(steps)}; exec {shlex.join(run)}"
        return [*privileged(), "unshare", "--mount", "sh", "-c", script]

    def run(self, script: str) -> None:
        """A RUN step; CalledProcessError when it fails."""
        words = self.words(["sh", "-c", script], writable=True, **self.arguments)
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)

    def inside(self, path: str) -> Path:
        """The place on this machine of a path in here."""
        return self.root / str(PurePosixPath(self.folder, path)).lstrip("/")


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile and its rest, without comments and line ends."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def context_files(folder: Path, ignore: str) -> list[str]:
    """The files of `folder` that .dockerignore lets through; the last pattern that fits decides."""
    patterns = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    rules = [(not p.startswith("!"), _pattern(p.removeprefix("!"))) for p in patterns]
    found = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", ".venv", ".cache")]
        for name in names:
            path = os.path.relpath(os.path.join(top, name), folder)
            fitting = [ignored for ignored, rule in rules if rule.match(path)]
            if not (fitting and fitting[-1]):
                found.append(path)
    return sorted(found)


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern fits the path itself and everything below it; `**/` is any number of folders."""
    parts = re.split(r"(\*\*/|\*)", text)
    meaning = {"**/": "(?:[^/]+/)*", "*": "[^/]*"}
    return re.compile("".join(meaning.get(p, re.escape(p)) for p in parts) + r"(?:/.*)?\Z")


def build(dockerfile: str, context: Path, files: list[str], folder: Path, **given: str) -> Stage:
    """Take every step; `given` are the build arguments. The last stage."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in instructions(dockerfile):
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "last"
            stage = stages[name] = Stage(folder / name)
        elif stage is not None:
            _take(word, rest, stage, stages, context, files, given)
    assert stage is not None
    return stage


def _take(
    word: str,
    rest: str,
    stage: Stage,
    stages: dict[str, Stage],
    context: Path,
    files: list[str],
    given: dict[str, str],
) -> None:
    if word == "ARG":
        name, _, value = rest.partition("=")
        stage.arguments[name] = given.get(name, value.strip('"'))
    elif word == "ENV":
        here = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", **stage.environment}
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            stage.environment[name] = re.sub(r"\$\{(\w+)\}", lambda m: here[m[1]], value)
    elif word == "WORKDIR":
        stage.folder = rest
        stage.inside(".").mkdir(parents=True, exist_ok=True)
    elif word == "RUN":
        stage.run(rest)
    elif word == "COPY":
        *sources, target = rest.split()
        if sources[0].startswith("--from="):
            origin = stages[sources.pop(0).removeprefix("--from=")]
            shutil.copytree(
                origin.inside(sources[0]), stage.inside(target), symlinks=True, dirs_exist_ok=True
            )
        else:
            _copy(sources, target, stage, context, files)
    elif word == "USER":
        stage.user = rest
    elif word == "HEALTHCHECK":
        stage.healthcheck = json.loads(rest.partition("CMD ")[2])
    elif word == "CMD":
        stage.command = json.loads(rest)
    else:
        assert word in ("EXPOSE", "LABEL"), f"this builder does not know {word}"


def _copy(sources: list[str], target: str, stage: Stage, context: Path, files: list[str]) -> None:
    """COPY: a folder's content goes into the target, a file into it or, without /, to its name."""
    for source in sources:
        taken = [name for name in files if name == source or name.startswith(f"{source}/")]
        assert taken, f"COPY {source}: .dockerignore lets nothing of it through"
        for name in taken:
            below = name.removeprefix(source).lstrip("/") or (source if target[-1] == "/" else "")
            there = stage.inside(target) / below
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(context / name, there)
