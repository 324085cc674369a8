"""Codes of a second factor (RFC 6238), as every authenticator app makes them."""

from __future__ import annotations

import hmac
import re
from datetime import datetime

import pyotp

STEP_SECONDS = 30
DRIFT_STEPS = 1  # a phone's clock may be that wrong
PRODUCT = "MLTrading"

_CODE = re.compile(r"[0-9]{6}")


class TotpCodes:
    """The port services.ports.identity.Codes."""

    def new_secret(self) -> str:
        return pyotp.random_base32()

    def uri(self, secret: str, email: str) -> str:
        return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=PRODUCT)

    def step(self, secret: str, code: str, moment: datetime) -> int | None:
        if not _CODE.fullmatch(code):
            return None
        totp, present = pyotp.TOTP(secret), int(moment.timestamp()) // STEP_SECONDS
        for step in range(max(present - DRIFT_STEPS, 0), present + DRIFT_STEPS + 1):
            if hmac.compare_digest(totp.generate_otp(step), code):
                return step
        return None
