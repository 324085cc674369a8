"""MLTrading: a machine-learning trading dashboard over PostgreSQL."""

from importlib.metadata import version

__version__ = version("mltrading")
