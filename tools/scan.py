"""`make scan`: wapiti and sqlmap against the dashboard as it is served, from a signed-in session.

Serves a market of its own on this machine, with every protection on, and signs in as an analyst.
wapiti visits pages and files; sqlmap tries the parameters of files, a callback and the form of
signing in. Reports are left in build/scan; ends with 1 where either found something.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from tests import market_data
from tests.identities import PASSWORD, People
from tests.live_fixtures import served
from tests.visitors import SIGN_IN

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "build" / "scan"
PROGRAMS = ROOT / ".venv-scan" / "bin"
LONGEST_SECONDS = 900  # of one program
UNLIMITED = {f"MLTRADING_LIMIT_{name}": "900000/1" for name in ("ACCOUNT", "ADDRESS", "CALLBACK")}
BEHIND_PROXY = {"ENVIRONMENT": "staging", "MLTRADING_PROXY": "on"}
HTTPS = "X-Forwarded-Proto: https"  # as the platform's proxy says of every request
# What wapiti can not know: Dash has to read the token to send it along, and it opens nothing alone.
ACCEPTED = ("HttpOnly flag is not set in the cookie : __Host-csrf",)
PAGES = (
    "/",
    "/?q=a&sort=close&order=desc&sector=Energy&industry=Banks&page=1",
    "/charts?symbol=AAPL&interval=1d&range=1Y&type=candles&scale=lin&indicators=sma:20",
    "/compare?symbols=AAPL,IBM&range=1Y&mode=percent",
    "/account",
    "/help",
    "/login?next=/charts",
    f"/password/{'x' * 43}",
    "/export/chart.csv?symbol=AAPL&interval=1d&range=1Y",
    "/export/overview.csv?q=a&sector=Energy",
    "/export/compare.csv?symbols=AAPL,IBM",
    "/health",
)
# Left out are those that look for products of others, and whatever needs an address outside.
MODULES = ",".join(
    "backup cookieflags crlf csp exec file http_headers methods permanentxss redirect sql timesql"
    " xss".split()
)
FOUND = re.compile(r"identified the following injection point|is vulnerable", re.IGNORECASE)


def main() -> int:
    REPORTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder) / "pg") as server:
        url = server.start()
        upgrade(url)
        market_data.load(url, minutes_of=0)
        people = People(Database(url))
        people.add("scan", "analyst")
        config = Path(folder) / "staging.yml"
        config.write_text(
            "environment: staging\nsecurity: {csrf_protection: true, rate_limiting: true}\n"
        )
        switches = {**SIGN_IN, **UNLIMITED, **BEHIND_PROXY, "MLTRADING_CONFIG": folder}
        with served(url, Path(folder), **switches) as address:
            cookie, token = sign_in(address)
            found = [*wapiti(address, cookie), *sqlmap(address, cookie, token)]
    for line in found:
        print(line)
    print(f"{len(found)} findings; reports are in {REPORTS.relative_to(ROOT)}")
    return 1 if found else 0


def sign_in(address: str) -> tuple[str, str]:
    """The cookies of a session, as a header says them, and its token for callbacks."""
    cookies: dict[str, str] = {}

    def send(body: bytes | None) -> str:
        request = urllib.request.Request(f"{address}/login", body, dict([HTTPS.split(": ")]))
        request.add_header("Cookie", header(cookies))
        try:
            answer = OPENER.open(request, timeout=60)
        except HTTPError as error:  # 303: signed in, and sent on
            answer = error
        with answer:
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _, value = cookie.partition(";")[0].partition("=")
                cookies[name] = value
            return str(answer.read().decode())

    [hidden] = re.findall(r'name="csrf_token" value="([^"]+)"', send(None))
    fields = {"email": "scan@example.com", "password": PASSWORD, "csrf_token": hidden}
    send(urlencode(fields).encode())
    if "__Host-session" not in cookies:
        raise SystemExit(f"nobody could sign in at {address}")
    page = urllib.request.Request(f"{address}/help", headers=dict([HTTPS.split(": ")]))
    page.add_header("Cookie", header(cookies))
    with OPENER.open(page, timeout=60) as answer:
        token = answer.headers.get_all("Set-Cookie", [])[0].partition(";")[0].partition("=")[2]
    cookies["__Host-csrf"] = token
    return header(cookies), token


def header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


class _Here(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: a redirect is the answer."""

    def redirect_request(self, *_: object) -> None:
        return None


OPENER = urllib.request.build_opener(_Here)


def wapiti(address: str, cookie: str) -> Iterator[str]:
    """Its findings, one line each."""
    report = REPORTS / "wapiti.json"
    starts = [word for page in PAGES for word in ("-s", address + page)]
    run(
        [
            *(str(PROGRAMS / "wapiti"), "-u", f"{address}/", "--scope", "folder", *starts),
            *("-m", MODULES, "-H", f"Cookie: {cookie}", "-H", HTTPS, "-x", f"{address}/logout"),
            *("-f", "json", "-o", str(report), "--flush-session", "--no-bugreport"),
            *("--max-scan-time", str(LONGEST_SECONDS - 60), "-S", "normal", "-v", "0"),
            *("--store-session", str(REPORTS / "wapiti-session")),
        ],
        "wapiti.log",
    )
    content = json.loads(report.read_text(encoding="utf-8"))
    if not content["infos"]["crawled_pages_nbr"]:
        yield "wapiti visited nothing, so it proves nothing"
    for kind in ("vulnerabilities", "anomalies"):
        for name, entries in content[kind].items():
            for entry in entries:
                if entry["info"] in ACCEPTED:
                    continue
                yield f"wapiti: {name}: {entry['method']} {entry['path']}: {entry['info']}"


def sqlmap(address: str, cookie: str, token: str) -> Iterator[str]:
    """The same. `*` marks what it replaces."""
    callback = {
        "output": "search-found.data",
        "outputs": {"id": "search-found", "property": "data"},
        "inputs": [{"id": "search-enter", "property": "data", "value": {"text": "IBM*", "n": 1}}],
        "changedPropIds": ["search-enter.data"],
        "state": [],
    }
    targets = {
        "chart": ["-u", f"{address}/export/chart.csv?symbol=AAPL*&interval=1d*&range=1Y*"],
        "overview": ["-u", f"{address}/export/overview.csv?q=a*&sector=Energy*&industry=x*"],
        "compare": ["-u", f"{address}/export/compare.csv?symbols=AAPL*,IBM*"],
        "callback": [
            *("-u", f"{address}/_dash-update-component", "--data", json.dumps(callback)),
            *("-H", f"X-CSRFToken: {token}", "-H", "Content-Type: application/json"),
        ],
        "login": ["-u", f"{address}/login", "--data", "email=a*&password=b*&code=c*"],
    }
    for name, words in targets.items():
        log = f"sqlmap-{name}.log"
        run(
            [
                *(
                    str(PROGRAMS / "sqlmap"),
                    *words,
                    "--cookie",
                    cookie,
                    "--batch",
                    "--flush-session",
                ),
                *("--level", "2", "--risk", "2", "--dbms", "postgresql", "--technique", "BEUST"),
                *("--threads", "2", "--timeout", "20", "--retries", "1", "--disable-coloring"),
                *("--ignore-code", "*", "--output-dir", str(REPORTS / "sqlmap")),
            ],
            log,
        )
        said = (REPORTS / log).read_text(encoding="utf-8", errors="replace")
        if FOUND.search(said):
            yield f"sqlmap: {name}: an injection, see {log}"
        elif "do not appear to be injectable" not in said:
            yield f"sqlmap: {name}: it did not come to an end, see {log}"


def run(words: list[str], log: str) -> None:
    """Run a program with its output in a file of REPORTS; what it ends with says nothing."""
    with (REPORTS / log).open("wb") as output:
        subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_SECONDS,
            env={**os.environ, "NO_COLOR": "1"},
            check=False,
        )


if __name__ == "__main__":
    sys.exit(main())
