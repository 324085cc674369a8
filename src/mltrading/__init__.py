"""MLTrading: a machine-learning trading dashboard over PostgreSQL."""

__version__: str


def __getattr__(name: str) -> str:
    """The version, looked up when asked for: a platform may run the source without installing it,
    and no command should pay for what only --version shows."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version("mltrading")
