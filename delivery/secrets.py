"""Refuse to package what looks like a secret. Only its place is told, never itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from delivery.errors import DeliveryError

_VALUE = r"""["']?[^\s"'<>{}$]{6,}"""
PATTERNS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a password in an address": r"[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@",
    "a Slack webhook": r"hooks\.slack\.com/services/",
    "a Slack token": r"\bxox[abposr]-[0-9A-Za-z-]{10,}",
    "a GitHub token": r"\b(?:gh[pousr]_[0-9A-Za-z]{20,}|github_pat_[0-9A-Za-z_]{20,})",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a Heroku key": r"\b(?:HRKU-[0-9A-Za-z_-]{20,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b",
    "a signed token": r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}",
    "a PagerDuty key": r"\bpagerduty\b[\"']?\s*[:=]\s*[\"']?(?!service-key\b)[0-9A-Za-z+_-]{16,}",
    "a named secret": (
        r"(?i)\b[\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\w-]*"
        rf"[\"']?\s*[:=](?!=)\s*(?![\"']?(?:true|false|null|none)\b){_VALUE}"
    ),
}


def refuse_secrets(files: Iterable[Path]) -> None:
    """DeliveryError that names each place where a file looks as if it held a secret."""
    found = [
        f"{path.name} line {number}: {kind}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        for kind, pattern in PATTERNS.items()
        if re.search(pattern, line)
    ]
    if found:
        raise DeliveryError(
            f"will not package what looks like a secret: {'; '.join(found)}."
            " Secrets come from the environment (docs/delivery.md)"
        )
