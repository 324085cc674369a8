"""Settings: what is read from where, and that every mistake is named with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mltrading.app import in_force
from mltrading.errors import ConfigurationError, WrongSettings
from mltrading.files import ROOT, configuration_folder, read_revision
from mltrading.settings import (
    CHANNEL_VARIABLES,
    DatabaseSection,
    Settings,
    complete_url,
    load_settings,
    parse_environment_file,
)
from tests.factories import SECRET_KEY

pytestmark = pytest.mark.smoke

URL = "postgresql://trader:s3cret@db.example:5433/market"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("MLTRADING_") or name in (
            *("ENVIRONMENT", "DATABASE_URL", "HOST", "PORT", "DASH_DEBUG", "XDG_DATA_HOME"),
            *("METRICS_TOKEN", "OTEL_EXPORTER_OTLP_ENDPOINT", "OIDC_CLIENT_ID"),
            *("HEROKU_RELEASE_VERSION", "HEROKU_APP_NAME", *map(str.upper, CHANNEL_VARIABLES)),
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def url_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def write(folder: Path, text: str, name: str = "staging.yml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_development_needs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch)
    assert settings.environment == "development"
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8050)
    assert settings.home == tmp_path / ".local" / "share" / "mltrading"
    assert not settings.debug
    assert settings.features.advanced_charts
    assert settings.features.comparison_mode
    assert settings.features.test_mode


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(
        monkeypatch,
        DATABASE_URL=URL,
        HOST="0.0.0.0",
        PORT="9000",
        DASH_DEBUG="True",
        MLTRADING_HOME=str(tmp_path / "data"),
        MLTRADING_POSTGRES_BIN="/opt/pg/bin",
    )
    assert url_of(settings) == URL
    assert (settings.host, settings.port, settings.debug) == ("0.0.0.0", 9000, True)
    assert settings.home == tmp_path / "data"
    assert settings.postgres_bin == Path("/opt/pg/bin")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, DATABASE_URL="", PORT="", ENVIRONMENT="")
    assert (settings.database_url, settings.port) == (None, 8050)


def test_data_folder_follows_the_xdg_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, XDG_DATA_HOME="/data").home == Path("/data/mltrading")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "eighty"}, "PORT must be a whole number from 1 to 65535, not 'eighty'"),
        ({"PORT": "70000"}, "PORT must be a whole number from 1 to 65535, not '70000'"),
        ({"DASH_DEBUG": "maybe"}, "DASH_DEBUG must be true or false, not 'maybe'"),
        (
            {"ENVIRONMENT": "prod"},
            "ENVIRONMENT must be one of development, staging, production, not 'prod'",
        ),
        ({"MLTRADING_HOM": "x"}, "unknown setting MLTRADING_HOM"),
        ({"MLTRADING_HOM": "x"}, "nearest known: 'MLTRADING_HOME'"),
        ({"MLTRADING_XYZ": "x"}, "known: MLTRADING_AUTH, MLTRADING_COMMIT, MLTRADING_CONFIG"),
        ({"MLTRADING_COMMIT": "main"}, "MLTRADING_COMMIT must be the hash of a commit"),
        ({"DATABASE_URL": "mysql://me:s3cret@h/d"}, "must start with postgresql:// or postgres://"),
        ({"DATABASE_URL": "postgresql://me:s3cret@h:port/d"}, "DATABASE_URL is not a valid URL"),
        ({"ENVIRONMENT": "staging"}, "DATABASE_URL is not set; staging needs"),
        (
            {"ENVIRONMENT": "production", "DATABASE_URL": URL, "DASH_DEBUG": "1"},
            "DASH_DEBUG must be off in production",
        ),
        (
            {"ENVIRONMENT": "production", "DATABASE_URL": f"{URL}?sslmode=prefer"},
            "sslmode=prefer, but database.ssl_required is true",
        ),
    ],
)
def test_a_wrong_variable_is_named_and_no_password_is(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(monkeypatch, **variables)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


ALL_WRONG = {
    "ENVIRONMENT": "staging",
    "DASH_DEBUG": "maybe",
    "PORT": "eighty",
    "MLTRADING_XYZ": "x",
    "MLTRADING_AUTH": "off",
    "SECRET_KEY": "",
    "METRICS_TOKEN": "s3cret",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
    "OIDC_CLIENT_ID": "x",
}


def test_all_that_is_wrong_is_named_at_once_in_a_stable_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(WrongSettings) as caught:
        load(monkeypatch, **ALL_WRONG)
    named = [
        *("unknown setting MLTRADING_XYZ", "PORT must be", "DASH_DEBUG must be true or false"),
        *("MLTRADING_AUTH must not be off", "DATABASE_URL is not set", "SECRET_KEY is not set"),
        *("OIDC_ISSUER, OIDC_CLIENT_ID and", "METRICS_TOKEN is too weak"),
        "OTEL_EXPORTER_OTLP_ENDPOINT must begin",
    ]
    faults = caught.value.faults
    assert len(faults) == len(named)
    assert [fault for fault, name in zip(faults, named) if not fault.startswith(name)] == []
    said = str(caught.value)
    assert said.startswith("9 settings are wrong: (1) unknown") and "(9) OTEL" in said
    assert all(fault in said for fault in faults)
    assert "s3cret" not in said and "\n" not in said


def test_what_depends_on_a_wrong_environment_is_not_guessed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(WrongSettings) as caught:
        load(monkeypatch, ENVIRONMENT="prod", PORT="eighty", MLTRADING_CONFIG=str(tmp_path))
    assert [fault.split()[0] for fault in caught.value.faults] == ["ENVIRONMENT", "PORT"]


def test_a_wrong_file_is_named_beside_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(tmp_path, "environment: staging\ndebug_mod: true\n")
    with pytest.raises(WrongSettings) as caught:
        load(monkeypatch, ENVIRONMENT="staging", MLTRADING_CONFIG=str(path), SECRET_KEY="")
    assert [fault.split(" is not set")[0].split(":")[0] for fault in caught.value.faults] == [
        f"{path} line 2",
        "DATABASE_URL",
        "SECRET_KEY",
    ]


def test_repr_hides_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "s3cret" not in repr(load(monkeypatch, DATABASE_URL=URL))


def test_variables_of_the_test_suite_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, MLTRADING_TEST_BIN="/x").environment == "development"


def test_an_installed_package_reads_the_files_it_carries(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "python3.13" / "site-packages" / "mltrading"
    (package / "config").mkdir(parents=True)
    assert configuration_folder(package) == package / "config"


def test_a_checkout_reads_the_files_at_its_top(tmp_path: Path) -> None:
    assert configuration_folder(tmp_path / "src" / "mltrading") == tmp_path
    assert (ROOT / "production.yml").is_file()


@pytest.mark.parametrize("name", ["staging", "production"])
def test_committed_files_are_valid_and_hold_no_secret(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = load(monkeypatch, ENVIRONMENT=name, DATABASE_URL=URL)
    assert settings.environment == name
    assert url_of(settings) == f"{URL}?sslmode=require"
    assert not settings.debug
    assert settings.features.test_mode is (name == "staging")
    assert "://" not in (ROOT / f"{name}.yml").read_text()


def test_production_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, ENVIRONMENT="production", DATABASE_URL=URL)
    assert settings.connection_pool == 20
    assert settings.monitoring.level == "warning"
    assert settings.security.csrf_protection
    assert settings.security.rate_limiting


def test_each_switch_in_force_says_where_it_was_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "environment: staging\nfeatures:\n  test_mode: false\nsecurity: {rate_limiting: false}\n"
    variables = {"ENVIRONMENT": "staging", "DATABASE_URL": URL, "MLTRADING_AUTH": ""}
    read = load(monkeypatch, MLTRADING_CONFIG=str(write(tmp_path, text)), **variables)
    found = {name: (value, source) for name, value, source in in_force(read)}
    assert found["environment"] == ("staging", "ENVIRONMENT")
    assert found["features.test_mode"] == ("off", "staging.yml line 3")
    assert found["security.rate_limiting"] == ("off", "staging.yml line 4")
    assert found["security.csrf_protection"] == ("on", "default")
    assert found["monitoring.level"] == ("warning", "default")
    assert found["signing in"] == ("on", "default")
    assert "s3cret" not in str(read.sources)


def test_config_names_a_file_or_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(tmp_path, "environment: staging\nmonitoring: {level: error}\n")
    for given in (path, tmp_path):
        settings = load(
            monkeypatch, ENVIRONMENT="staging", DATABASE_URL=URL, MLTRADING_CONFIG=str(given)
        )
        assert settings.monitoring.level == "error"


def test_development_reads_a_file_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(tmp_path, "environment: development\nfeatures: {comparison_mode: false}\n")
    assert not load(monkeypatch, MLTRADING_CONFIG=str(path)).features.comparison_mode


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"can not read .*nowhere\.yml: No such file"):
        load(monkeypatch, MLTRADING_CONFIG=str(tmp_path / "nowhere.yml"))


def test_a_file_of_another_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(tmp_path, "environment: staging\n")
    with pytest.raises(ConfigurationError, match="is for environment 'staging'"):
        load(monkeypatch, MLTRADING_CONFIG=str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("environment: staging\ndebug_mode: maybe\n", "line 2: debug_mode must be true or false"),
        (
            "environment: staging\ndatabase:\n  ssl_requird: true\n",
            "line 3: unknown setting 'database.ssl_requird'; nearest known: 'ssl_required'",
        ),
        ("environment: staging\npassword: s3cret\n", "line 2: unknown setting 'password'"),
        (
            "environment: staging\nfeatures:\n  test_mode: true\n  test_mode: false\n",
            "line 4: 'test_mode' is given twice (first on line 3)",
        ),
        ("environment: staging\ndatabase: 7\n", "line 2: database must be a block of settings"),
        (
            "environment: staging\ndatabase:\n  connection_pool: '20'\n",
            "line 3: database.connection_pool must be a whole number from 2 to 500, not '20'",
        ),
        (
            "environment: staging\ndatabase:\n  connection_pool: 1\n",
            "line 3: database.connection_pool must be a whole number from 2 to 500, not 1",
        ),
        (
            "environment: staging\nmonitoring:\n  level: loud\n",
            "line 3: monitoring.level must be one of debug, info, warning, error, not 'loud'",
        ),
        ("environment: staging\nfeatures:\n  test_mode:\n", "line 3: features.test_mode must be"),
        ("debug_mode: true\n", "line 1: 'environment' is missing"),
        ("- staging\n", "line 1: the file must be a block of settings"),
        ("", "line 1: the file must be a block of settings"),
        ("environment: staging\n  bad: [\n", "line 2: mapping values are not allowed here"),
        (
            "a: !!python/object/apply:os.getcwd []\n",
            "line 1: a kind (!...) of a value is not allowed",
        ),
        ("database: &a {name: *a}\n", "line 1: a block holds itself"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_environment_file(write(tmp_path, text))
    assert said in str(caught.value)
    assert "staging.yml line " in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "staging.yml"
    path.write_bytes(b"environment: \xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8 text"):
        parse_environment_file(path)


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:p%40@h:1/d", "postgresql://u:p%40@h:1/d"),
        ("postgresql:///d", "postgresql:///d?host=files.example"),
        ("postgresql://u@/d?host=/tmp/pg", "postgresql://u@/d?host=/tmp/pg"),
        ("postgresql://u:p@", "postgresql://u:p@/files?host=files.example"),
        ("postgresql://a,b/d", "postgresql://a,b/d"),
    ],
)
def test_a_url_is_completed_by_what_the_file_says(url: str, complete: str) -> None:
    assert complete_url(url, DatabaseSection(host="files.example", name="files")) == complete


def test_a_stronger_encryption_than_required_is_kept() -> None:
    section = DatabaseSection(ssl_required=True)
    assert complete_url(f"{URL}?sslmode=verify-full", section) == f"{URL}?sslmode=verify-full"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_commit_and_release_are_told_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, MLTRADING_COMMIT=COMMIT, HEROKU_RELEASE_VERSION="v12")
    assert (settings.commit, settings.release) == (COMMIT, "v12")
    for name in ("MLTRADING_COMMIT", "HEROKU_RELEASE_VERSION"):
        monkeypatch.delenv(name)
    assert load(monkeypatch).release is None


def test_commit_is_told_by_the_file_that_a_build_leaves(tmp_path: Path) -> None:
    assert read_revision(tmp_path) is None
    (tmp_path / "REVISION").write_text(f"{COMMIT}\n")
    assert read_revision(tmp_path) == COMMIT


@pytest.mark.parametrize("text", ["", "main", f"{COMMIT}\n{COMMIT}", "0123 456789", "\xe9"])
def test_a_revision_that_is_no_commit_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "REVISION").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="REVISION must hold the hash of a commit"):
        read_revision(tmp_path)


def test_secrets_of_channels_are_kept_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, SLACK_WEBHOOK="https://hooks.example/s3cret", SMTP_URL="")
    assert list(settings.channels) == ["SLACK_WEBHOOK"]
    assert settings.channels["SLACK_WEBHOOK"].get_secret_value() == "https://hooks.example/s3cret"
    assert "s3cret" not in repr(settings)
