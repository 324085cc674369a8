"""Injections 16 and 17: the address of the database is wrong, and four migrate at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mltrading.adapters.postgres.migrate import migrations
from tests.fault_table import Figure
from tests.integration.faults.place import command
from tests.waiting import held_port

pytestmark = pytest.mark.database

PASSWORD = "s3cret-of-the-database"


def test_fault_16_a_wrong_or_missing_address_is_one_line_without_the_password(
    tmp_path: Path, empty_database_url: str, figure: Figure
) -> None:
    with held_port() as nobody, held_port() as port:
        wrong = {
            "nobody there": f"postgresql://me:{PASSWORD}@127.0.0.1:{nobody}/market",
            "an @ in the password": f"postgresql://me:{PASSWORD}@x@127.0.0.1/market",
            "another scheme": f"mysql://me:{PASSWORD}@127.0.0.1/market",
            "a letter for the port": f"postgresql://me:{PASSWORD}@127.0.0.1:port/market",
            "an unknown parameter": f"postgresql://me:{PASSWORD}@127.0.0.1/market?mode={PASSWORD}",
        }
        for name, url in wrong.items():
            done = command(tmp_path, "serve", "--port", str(port), DATABASE_URL=url)
            said = [line for line in done.stderr.splitlines() if line.startswith("mltrading:")]
            assert done.returncode == 1, name
            assert len(said) == 1 and "Traceback" not in done.stderr, (name, done.stderr)
            assert PASSWORD not in done.stderr + done.stdout, name
    config = tmp_path / "production.yml"
    config.write_text("environment: production\n")
    missing = command(
        tmp_path,
        "worker",
        ENVIRONMENT="production",
        MLTRADING_CONFIG=str(config),
        SECRET_KEY="0123456789abcdef" * 4,
    )
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "DATABASE_URL is not set" in missing.stderr
    heroku = f"postgres://{empty_database_url.partition('://')[2]}"
    taken = command(tmp_path, "db", "upgrade", DATABASE_URL=heroku)
    assert taken.returncode == 0, taken.stderr
    figure(f"{len(wrong) + 1} starts refused in one line; postgres:// taken")


def test_fault_17_of_four_that_migrate_at_once_one_applies(
    tmp_path: Path, empty_database_url: str, figure: Figure
) -> None:
    def upgrade(_: int) -> tuple[int, str, str]:
        done = command(tmp_path, "db", "upgrade", "--json", DATABASE_URL=empty_database_url)
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(upgrade, range(4)))
    assert [code for code, _, _ in done] == [0] * 4, done
    applied = [json.loads(out)["applied"] for _, out, _ in done]
    newest = len(migrations())
    assert sorted(number for one in applied for number in one) == list(range(1, newest + 1))
    # Each migration is a transaction under the lock, so that another may be the next to get it.
    figure(f"{newest} migrations, each applied once; {applied.count([])} applied nothing, 0 errors")
