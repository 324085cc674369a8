"""`make scan`: wapiti and sqlmap against the dashboard as it is served, from a signed-in session.

Serves a market of its own on this machine, with every protection on, and signs in as an
administrator. wapiti visits pages and files; sqlmap tries parameters of files, callbacks and the
form of signing in. Reports are left in build/scan; ends with 1 where either found something, or was
not let in and so proves nothing.
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
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from mltrading.utils.clock import SystemClock
from tests import market_data
from tests.identities import PASSWORD, People
from tests.live_fixtures import served
from tests.postgres_server import Server
from tests.visitors import SIGN_IN

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "build" / "scan"
PROGRAMS = ROOT / ".venv-scan" / "bin"
LONGEST_SECONDS = 900  # of one program
UNLIMITED = {f"MLTRADING_LIMIT_{name}": "900000/1" for name in ("ACCOUNT", "ADDRESS", "CALLBACK")}
BEHIND_PROXY = {"ENVIRONMENT": "staging", "MLTRADING_PROXY": "on"}
CONFIG = "environment: staging\nsecurity: {csrf_protection: true, rate_limiting: true}\n"
HTTPS = "X-Forwarded-Proto: https"  # as the platform's proxy says of every request
# What wapiti can not know: Dash has to read the token to send it along, and it opens nothing alone.
ACCEPTED = ("HttpOnly flag is not set in the cookie : __Host-csrf",)
PAGES = (
    "/",
    "/?q=a&sort=close&order=desc&sector=Energy&industry=Banks&page=1",
    "/charts?symbol=AAPL&interval=1d&range=1Y&type=candles&scale=lin&indicators=sma:20",
    "/compare?symbols=AAPL,IBM&range=1Y&mode=percent",
    "/account",
    "/admin",
    "/admin?tab=symbols&q=a",
    "/admin?tab=audit&text=a&action=b&who=c&outcome=done&since=2024-01-01&until=2024-02-01&page=1",
    "/help",
    "/login?next=/charts",
    f"/password/{'x' * 43}",
    "/export/chart.csv?symbol=AAPL&interval=1d&range=1Y",
    "/export/overview.csv?q=a&sector=Energy",
    "/export/compare.csv?symbols=AAPL,IBM",
    "/export/audit.csv?text=a&who=c",
    "/health",
)
# Left out are those that look for products of others, and whatever needs an address outside.
MODULES = ",".join(
    "backup cookieflags crlf csp exec file http_headers methods permanentxss redirect sql timesql"
    " xss".split()
)
FOUND = re.compile(r"identified the following injection point|is vulnerable", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A request that sqlmap varies at each `*`; as it is, without them, it is answered with
    `status`. Of one without a cookie nobody is signed in."""

    name: str
    path: str
    cookie: str
    data: str | None = None
    headers: tuple[str, ...] = ()
    status: int = 200

    def words(self, address: str) -> list[str]:
        body = [] if self.data is None else ["--data", self.data]
        sent = [word for line in (HTTPS, *self.headers) for word in ("-H", line)]
        return ["-u", address + self.path, *body, "--cookie", self.cookie, *sent]

    def let_in(self, address: str) -> bool:
        body = None if self.data is None else self.data.replace("*", "").encode()
        url = address + self.path.replace("*", "")
        return ask(url, self.cookie, body, self.headers)[0] == self.status


def main() -> int:
    REPORTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "pg", None)
        try:
            found = attacked(server.url, Path(folder))
        finally:
            server.stop()
    for line in found:
        print(line)
    print(f"{len(found)} findings; reports are in {REPORTS.relative_to(ROOT)}")
    return 1 if found else 0


def attacked(url: str, folder: Path) -> list[str]:
    """The findings at a dashboard over that empty database."""
    upgrade(url)
    market_data.load(url, minutes_of=0)
    with closing(Database(url)) as database:
        people = People(database)
        people.add("scan", "admin")
        secret = people.enrol("scan")
        people.clock.moment = SystemClock().now()
        (folder / "staging.yml").write_text(CONFIG)
        switches: Any = {**SIGN_IN, **UNLIMITED, **BEHIND_PROXY, "MLTRADING_CONFIG": str(folder)}
        with served(url, folder, **switches) as address:
            cookie, token = sign_in(address, people.code(secret))
            found = [*wapiti(address, cookie)]
            for target in targets(address, cookie, token):
                found += sqlmap(address, target)
    return found


def ask(
    url: str, cookie: str = "", body: bytes | None = None, headers: tuple[str, ...] = ()
) -> tuple[int, str, dict[str, str]]:
    """Status, text and cookies of an answer, wherever it leads."""
    request = urllib.request.Request(url, body)
    for line in (HTTPS, f"Cookie: {cookie}", *headers):
        request.add_header(*line.split(": ", 1))
    try:
        answer = OPENER.open(request, timeout=60)
    except HTTPError as error:
        answer = error
    with answer:
        given = [one.partition(";")[0] for one in answer.headers.get_all("Set-Cookie", [])]
        cookies = {name: value for name, _, value in (one.partition("=") for one in given)}
        return answer.status, answer.read().decode(errors="replace"), cookies


def form(address: str) -> tuple[dict[str, str], str]:
    """The cookies and the hidden token with which somebody may send the form of signing in."""
    _, text, cookies = ask(f"{address}/login")
    [hidden] = re.findall(r'name="csrf_token" value="([^"]+)"', text)
    return cookies, hidden


def sign_in(address: str, code: str) -> tuple[str, str]:
    """The cookies of a session, as a header says them, and its token for callbacks."""
    cookies, hidden = form(address)
    fields = {"email": "scan@example.com", "password": PASSWORD, "code": code}
    sent = urlencode({**fields, "csrf_token": hidden}).encode()
    cookies |= ask(f"{address}/login", header(cookies), sent)[2]
    if "__Host-session" not in cookies:
        raise SystemExit(f"nobody could sign in at {address}")
    cookies |= ask(f"{address}/help", header(cookies))[2]
    return header(cookies), cookies["__Host-csrf"]


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
    report.unlink(missing_ok=True)
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
    if ask(f"{address}/admin", cookie)[0] != 200:
        yield "wapiti: nobody was signed in any more at the end"
    if not report.exists():
        yield "wapiti: it did not come to an end, see wapiti.log"
        return
    content = json.loads(report.read_text(encoding="utf-8"))
    if not content["infos"]["crawled_pages_nbr"]:
        yield "wapiti visited nothing, so it proves nothing"
    for kind in ("vulnerabilities", "anomalies"):
        for name, entries in content[kind].items():
            for entry in entries:
                if entry["info"] in ACCEPTED:
                    continue
                yield f"wapiti: {name}: {entry['method']} {entry['path']}: {entry['info']}"


def targets(address: str, cookie: str, token: str) -> Iterator[Target]:
    audit = "text=a*&action=b*&who=c*&outcome=done*&since=2024-01-01*"
    for name, path in (
        ("chart", "/export/chart.csv?symbol=AAPL*&interval=1d*&range=1Y*"),
        ("overview", "/export/overview.csv?q=a*&sector=Energy*&industry=x*"),
        ("compare", "/export/compare.csv?symbols=AAPL*,IBM*"),
        ("audit", f"/export/audit.csv?{audit}"),
    ):
        yield Target(name, path, cookie)
    headers = (f"X-CSRFToken: {token}", "Content-Type: application/json")
    search = callback(["search-found.data"], {"search-enter.data": {"text": "IBM*", "n": 1}})
    admin = {"address.data": {"path": "/admin", "search": f"?tab=audit&{audit}"}}
    users = {"address.data": {"path": "/admin", "search": "?q=a*&user=b*"}}
    parts = ["admin-tabs.children", "admin-parts.data"]
    for name, body in (
        ("search", search),
        ("admin-audit", callback(parts, {**admin, "admin-act.data": None})),
        ("admin-users", callback(parts, {**users, "admin-act.data": None})),
    ):
        yield Target(name, "/_dash-update-component", cookie, body, headers)
    anonymous, hidden = form(address)
    fields = f"csrf_token={hidden}&email=a@example.com*&password=b*&code=c*"
    yield Target("login", "/login", header(anonymous), fields, status=401)


def callback(outputs: list[str], inputs: dict[str, object]) -> str:
    """As a page sends it; the first input has changed."""

    def part(name: str) -> dict[str, object]:
        id, _, property = name.rpartition(".")
        return {"id": id, "property": property}

    several = len(outputs) > 1
    sent = {
        "output": f"..{'...'.join(outputs)}.." if several else outputs[0],
        "outputs": [part(name) for name in outputs] if several else part(outputs[0]),
        "inputs": [{**part(name), "value": value} for name, value in inputs.items()],
        "changedPropIds": [next(iter(inputs))],
        "state": [],
    }
    return json.dumps(sent)


def sqlmap(address: str, target: Target) -> Iterator[str]:
    """Its findings. What is refused at the door is never tried, so the door is tried too."""
    log = f"sqlmap-{target.name}.log"
    if not target.let_in(address):
        yield f"sqlmap: {target.name}: the dashboard did not let it in"
        return
    run(
        [
            *(str(PROGRAMS / "sqlmap"), *target.words(address), "--batch", "--flush-session"),
            *("--level", "2", "--risk", "2", "--dbms", "postgresql", "--technique", "BEUST"),
            *("--threads", "2", "--timeout", "20", "--retries", "1", "--disable-coloring"),
            *("--ignore-code", "*", "--output-dir", str(REPORTS / "sqlmap")),
        ],
        log,
    )
    said = (REPORTS / log).read_text(encoding="utf-8", errors="replace")
    if FOUND.search(said):
        yield f"sqlmap: {target.name}: an injection, see {log}"
    elif "do not appear to be injectable" not in said:
        yield f"sqlmap: {target.name}: it did not come to an end, see {log}"
    elif not target.let_in(address):
        yield f"sqlmap: {target.name}: the dashboard did not let it in until the end"


def run(words: list[str], log: str) -> None:
    """Run a program with its output in a file of REPORTS; what it ends with says nothing."""
    with (REPORTS / log).open("wb") as output:
        with suppress(subprocess.TimeoutExpired):  # its report is missing then, or has no end
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
