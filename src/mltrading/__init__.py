"""MLTrading: a machine-learning trading dashboard over PostgreSQL."""

__version__: str


def __getattr__(name: str) -> str:
    """The version, looked up when asked for: no command should pay for what only --version shows.
    A platform may run the source without installing it: then the changelog beside it tells."""
    if name != "__version__":
        raise AttributeError(name)
    import re
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    try:
        return version("mltrading")
    except PackageNotFoundError:
        changelog = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
        found = re.search(r"^## (\d+\.\d+\.\d+)", changelog.read_text(encoding="utf-8"), re.M)
        if found is None:
            raise
        return found[1]
