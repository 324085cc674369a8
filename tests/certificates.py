"""A certificate of our own for 127.0.0.1, made anew for a test run: no key lies in the repository.

DER by hand (X.690, RFC 5280, RFC 8017), because nothing else here needs a package for it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXPONENT = 65537
HALF_BITS = 1024  # of the modulus, whose 2048 OpenSSL asks for
_SMALL = [n for n in range(3, 2000) if all(n % d for d in range(2, int(n**0.5) + 1))]


class Certificate:
    """Files `certificate` and `key` in a folder, and the contexts of both ends."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        p, q = _prime(), _prime()
        n, d = p * q, pow(EXPONENT, -1, (p - 1) * (q - 1))
        numbers = (0, n, EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
        self.key.write_text(_pem("RSA PRIVATE KEY", _sequence(map(_integer, numbers))))
        self.certificate.write_text(_pem("CERTIFICATE", _self_signed(n, d)))

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def trusting_context(self) -> ssl.SSLContext:
        """What a client has whose machine knows the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))


def _prime() -> int:
    while True:
        number = secrets.randbits(HALF_BITS) | (3 << (HALF_BITS - 2)) | 1
        if (number - 1) % EXPONENT and all(number % small for small in _SMALL):
            if all(_passes(number) for _ in range(6)):
                return number


def _passes(number: int) -> bool:
    """One round of Miller and Rabin."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    value = pow(secrets.randbelow(number - 3) + 2, odd, number)
    for _ in range(twos):
        if value in (1, number - 1):
            return True
        value = value * value % number
        if value == 1:
            return False
    return False


def _self_signed(n: int, d: int) -> bytes:
    algorithm = _sequence([_oid("2a864886f70d01010b"), _der(5, b"")])  # sha256WithRSAEncryption
    public = _sequence([_integer(n), _integer(EXPONENT)])
    spki = _sequence(
        [_sequence([_oid("2a864886f70d010101"), _der(5, b"")]), _der(3, b"\0" + public)]
    )
    name = _sequence([_der(0x31, _sequence([_oid("550403"), _der(12, b"localhost")]))])
    now = datetime.now(UTC)
    times = [_der(24, f"{at:%Y%m%d%H%M%SZ}".encode()) for at in (now - HOUR, now + 24 * HOUR)]
    identifier = hashlib.sha1(public, usedforsecurity=False).digest()
    names = _der(0x82, b"localhost") + _der(0x87, bytes([127, 0, 0, 1]))
    extensions = [
        _extension("551d13", _sequence([_der(1, b"\xff")]), critical=True),  # a CA, its own
        _extension("551d0f", _der(3, bytes([2, 0b10000100])), critical=True),  # signs both
        _extension("551d11", _der(0x30, names)),
        _extension("551d0e", _der(4, identifier)),
        _extension("551d23", _sequence([_der(0x80, identifier)])),
    ]
    body = _sequence(
        [
            _der(0xA0, _integer(2)),
            _integer(secrets.randbits(63) | 1),
            algorithm,
            name,
            _sequence(times),
            name,
            spki,
            _der(0xA3, _sequence(extensions)),
        ]
    )
    return _sequence([body, algorithm, _der(3, b"\0" + _signed(body, n, d))])


HOUR = timedelta(hours=1)


def _signed(body: bytes, n: int, d: int) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    digest = hashlib.sha256(body).digest()
    info = _sequence([_sequence([_oid("608648016503040201"), _der(5, b"")]), _der(4, digest)])
    length = 2 * HALF_BITS // 8
    padded = b"\0\1" + b"\xff" * (length - len(info) - 3) + b"\0" + info
    return pow(int.from_bytes(padded, "big"), d, n).to_bytes(length, "big")


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    marks = [_der(1, b"\xff")] if critical else []
    return _sequence([_oid(oid), *marks, _der(4, value)])


def _oid(content: str) -> bytes:
    return _der(6, bytes.fromhex(content))


def _integer(number: int) -> bytes:
    return _der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _sequence(parts: Iterable[bytes]) -> bytes:
    return _der(0x30, b"".join(parts))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def _pem(label: str, content: bytes) -> str:
    text = textwrap.fill(base64.b64encode(content).decode(), 64)
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"
