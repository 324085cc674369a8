"""The committed plotly.js bundle is the one its README describes and holds what figures use."""

import gzip
import hashlib
import re
from pathlib import Path

import brotli
import pytest

from mltrading.dashboard.serving import static_folder

ROOT = Path(__file__).parents[2]
VENDOR = static_folder() / "vendor"  # of the checkout, or of the installed wheel
FIGURES = ROOT / "src" / "mltrading" / "dashboard" / "figures"


def unpacked_brotli() -> bytes:
    return brotli.decompress((VENDOR / "plotly.min.js.br").read_bytes())


def unpacked_gzip() -> bytes:
    return gzip.decompress((VENDOR / "plotly.min.js.gz").read_bytes())


def trace_types_in_bundle() -> set[str]:
    """Names of the trace modules, as plotly.js registers them."""
    code = unpacked_brotli().decode()
    return set(re.findall(r'moduleType:"trace",name:"(\w+)"', code))


@pytest.mark.smoke
@pytest.mark.parametrize("unpack", [unpacked_brotli, unpacked_gzip])
def test_bundle_unpacks_to_the_noted_digest(unpack) -> None:
    digest = hashlib.sha256(unpack()).hexdigest()
    assert (VENDOR / "plotly.min.js.sha256").read_text() == f"{digest}  plotly.min.js\n"
    assert digest in (VENDOR / "README.md").read_text()


def test_readme_states_the_sizes_of_the_files() -> None:
    said = (VENDOR / "README.md").read_text()
    for size in (
        len(unpacked_brotli()),
        (VENDOR / "plotly.min.js.br").stat().st_size,
        (VENDOR / "plotly.min.js.gz").stat().st_size,
    ):
        assert f"| {size:,} |" in said


def test_bundle_needs_no_eval() -> None:
    assert not re.search(rb"\beval\(|new Function\b", unpacked_brotli())


def test_every_trace_type_a_figure_names_is_in_the_bundle() -> None:
    """An unknown type would silently be drawn as scatter."""
    named = set()
    for module in FIGURES.glob("*.py"):
        named |= set(re.findall(r'"type": "(\w+)"', module.read_text()))
    traces = named - {
        "linear",
        "log",
        "date",
        "category",
        "rect",
        "line",
        "path",
    }  # axes and shapes
    assert {"candlestick", "ohlc", "bar", "scatter"} <= traces
    assert traces <= trace_types_in_bundle()


def test_bundle_version_is_the_pinned_one() -> None:
    pinned = re.search(
        r'"plotly.js": "([\d.]+)"', (ROOT / "tools/build_plotly/package.json").read_text()
    )
    assert pinned is not None
    assert f'version="{pinned[1]}"'.encode() in unpacked_brotli()
