"""Putting a commit on staging: the archive, and what happens to it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.build import archive, build, resolved
from delivery.errors import DeliveryError, PlatformError
from tests.test_delivery.fake_server import Fault
from tests.test_delivery.heroku_stage import NEW, Crash, Stage, stage

MOST_CALLS = 60
DATE = "2026-11-20T09:00:00+00:00"


def git(folder: Path, *words: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": DATE,
        "GIT_COMMITTER_DATE": DATE,
    }
    command = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.example",
        *words,
    ]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "Procfile").write_text("web: run\n")
    git(folder, "add", "Procfile")
    git(folder, "commit", "--quiet", "--message=first")
    (folder / "untracked").write_text("a laptop's secret\n")
    return folder


@pytest.fixture
def on() -> Iterator[Stage]:
    with stage() as one:
        yield one


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {one.name: tar.extractfile(one) for one in tar if one.isfile()}
        return {name: file.read() for name, file in found.items() if file}


def test_the_archive_is_what_git_keeps_and_the_name_of_the_commit(repository: Path) -> None:
    commit = resolved(repository, "main")
    content = archive(repository, commit)
    assert members(content) == {"Procfile": b"web: run\n", "REVISION": f"{commit}\n".encode()}


def test_the_same_commit_gives_the_same_bytes_at_any_time(repository: Path) -> None:
    """Every time in it is the commit's; none is the clock's."""
    content = archive(repository, resolved(repository, "main"))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        written = {one.mtime for one in tar}
    assert written == {int(git(repository, "show", "--no-patch", "--format=%ct", "main"))}
    assert content[4:8] == b"\0\0\0\0"  # gzip's own time
    assert content == archive(repository, resolved(repository, "main"))


@pytest.mark.parametrize("name", ["no-such-branch", "--output=/tmp/x", "0" * 40])
def test_a_name_that_is_no_commit_is_one_line(repository: Path, name: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        resolved(repository, name)
    assert "\n" not in str(caught.value)


def test_a_commit_is_built_on_staging_once(on: Stage, repository: Path) -> None:
    commit = resolved(repository, "main")
    build(on.delivery(), repository, commit)
    assert on.runs("staging") == commit
    uploaded = [content for content in on.world.uploads.values() if content]
    assert [members(content)["REVISION"].decode().strip() for content in uploaded] == [commit]
    on.fake.calls.clear()
    build(on.delivery(), repository, commit)
    assert on.fake.changes() == []


def test_a_build_that_fails_leaves_staging_and_points_to_its_log(on: Stage) -> None:
    """The fake fails a build whose source is empty."""
    with pytest.raises(PlatformError, match="build failed; see https://dashboard.*/builds/"):
        on.delivery().deployer.build("e" * 40, b"")
    assert on.runs("staging") == NEW


def test_a_release_phase_that_fails_on_staging_says_how_to_see_why(on: Stage) -> None:
    on.world.apps["mltrading-staging"].failing_release_phases.add("e" * 40)
    with pytest.raises(PlatformError, match=r"release phase of v5 failed.*releases:output v5"):
        on.delivery().deployer.build("e" * 40, b"x")
    assert on.runs("staging") == NEW


def test_an_app_without_web_process_says_how_to_start_one(on: Stage) -> None:
    on.world.apps["mltrading-staging"].formation["web"] = (0, "Basic")
    with pytest.raises(PlatformError, match="heroku ps:scale web=1 -a mltrading-staging"):
        on.delivery().deployer.build("e" * 40, b"x")


def test_a_crash_after_any_call_and_a_second_run_build_once() -> None:
    for calls in range(1, MOST_CALLS):
        with stage() as on:
            try:
                on.delivery(crash_after=calls).deployer.build("e" * 40, b"x")
            except Crash:
                on.delivery().deployer.build("e" * 40, b"x")
            else:
                assert calls > 8
                return
            app = on.world.apps["mltrading-staging"]
            assert on.runs("staging") == "e" * 40, f"crashed after call {calls}"
            assert (len(app.releases), len(app.builds)) == (5, 1), f"crashed after call {calls}"
    pytest.fail(f"a build takes more than {MOST_CALLS} calls")


@pytest.mark.parametrize("fault", ["500", "503 page", "429", "silent", "lost", "cut"])
def test_trouble_at_any_single_call_is_ridden_out_or_the_next_run_builds_once(
    fault: Fault,
) -> None:
    for call in range(1, MOST_CALLS):
        with stage() as on:
            on.fake.faults[call] = fault
            try:
                on.delivery().deployer.build("e" * 40, b"x")
            except PlatformError as error:
                assert "whether it was carried out is unknown" in str(error)
                on.delivery().deployer.build("e" * 40, b"x")
            app = on.world.apps["mltrading-staging"]
            assert on.runs("staging") == "e" * 40, f"{fault} at call {call}"
            assert (len(app.releases), len(app.builds)) == (5, 1), f"{fault} at call {call}"
            if call > len(on.fake.calls):
                return
    pytest.fail(f"a build takes more than {MOST_CALLS} calls")
