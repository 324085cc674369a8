"""Signing in at an OpenID provider: out to it with a sealed note, and back with its answer."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlsplit

from mltrading.errors import MLTradingError, SignInRefused
from mltrading.services.credentials import is_valid_address, normal_address
from mltrading.services.own_account import Tools
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.identity import Account, IdentityChange, NewAccount
from mltrading.services.ports.openid import OpenIdProvider, VerifiedClaims
from mltrading.services.sessions import SignedIn, begin_session
from mltrading.services.tokens import new_id
from mltrading.utils.measures import login_failed
from mltrading.utils.monitoring import monitor_verbs

SEAL = "openid sign-in"
NOTE_SECONDS = 600  # between leaving for the provider and coming back
LONGEST_NOTE = 3800  # with a name and attributes, what browsers keep as a cookie

_ERROR = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class OpenIdBegun:
    """Where the browser goes, and the note that it brings back: the value of a cookie that lives
    for ten minutes (HttpOnly; SameSite=Lax, for the way back begins at the provider)."""

    url: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Note:
    """What the answer must fit."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next_path: str


@monitor_verbs("identity")
class OpenIdSignIn:
    """The part of Identity for those who sign in elsewhere."""

    _tools: Tools

    @property
    def provider(self) -> str | None:
        """The host of the provider, for the words on a button; None where there is none."""
        known = self._tools.provider
        return None if known is None else urlsplit(known.issuer).hostname

    def begin_openid(self, next_path: str, redirect_uri: str) -> OpenIdBegun:
        """Send somebody to the provider, who sends them back to `redirect_uri`. `next_path`, where
        they wanted to go, is kept as it is: check it before. One that is too long for a cookie
        becomes "/". Raises ProviderUnavailable."""
        note = Note(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            redirect_uri,
            next_path,
        )
        url = self._provider().authorization_url(
            redirect_uri, note.state, note.nonce, note.verifier
        )
        sealed = self._seal(note)
        if len(sealed) > LONGEST_NOTE:
            sealed = self._seal(replace(note, next_path="/"))
        return OpenIdBegun(url, sealed)

    def finish_openid(
        self, sealed: str, answer: Mapping[str, str], origin: Origin
    ) -> tuple[SignedIn, str]:
        """The session, and where to go, for the note of `begin_openid` and the query with which the
        browser came back. The cookie must be deleted whatever happens.

        Raises TooManyAttempts (from the address), SignInRefused, ProviderUnavailable.
        """
        self._tools.attempts.take_address(origin)
        try:
            note = self._open(sealed)
            code = self._code(note, answer)
            claims = self._provider().exchange(code, note.redirect_uri, note.nonce, note.verifier)
        except MLTradingError as error:
            self._record_refusal("provider", type(error).__name__, origin)
            raise
        return self.sign_in_openid(claims, origin), note.next_path

    def openid_place(self, sealed: str) -> str:
        """Where whoever has the note wanted to go; "/" where it can not be read any more."""
        try:
            return self._open(sealed).next_path
        except SignInRefused:
            return "/"

    def sign_in_openid(self, claims: VerifiedClaims, origin: Origin) -> SignedIn:
        """Begin a session for whom the provider vouches. The account is that person's; else that of
        the verified address, if nobody vouches for it yet; else a new one, where the settings
        allow it. SignInRefused where there is none, or it is disabled."""
        try:
            with self._tools.store.change() as change:
                account = self._account_for(change, claims, origin)
                if account.disabled:
                    raise SignInRefused("your account is disabled; ask an administrator")
                return begin_session(change, account, "openid", origin)
        except SignInRefused:
            who = f"{claims.issuer} {claims.subject}"
            self._record_refusal(self._tools.seals.digest("person", who), "account", origin)
            raise

    def _account_for(
        self, change: IdentityChange, claims: VerifiedClaims, origin: Origin
    ) -> Account:
        account = change.hold_vouched(claims.issuer, claims.subject)
        if account is not None:
            return account
        email = normal_address(claims.email)
        account = change.hold_address(email) if is_valid_address(email) else None
        if account is None:
            return self._new(change, claims, email, origin)
        if account.issuer is not None:
            raise SignInRefused(
                "your address belongs to an account that is somebody else's at the provider; ask an"
                " administrator"
            )
        if not account.disabled:
            change.vouch(account.id, claims.issuer, claims.subject)
            change.record(AuditEvent("user.vouch", account.id, target=account.id, origin=origin))
        return account

    def _new(
        self, change: IdentityChange, claims: VerifiedClaims, email: str, origin: Origin
    ) -> Account:
        role = self._tools.provider_role
        if role is None or not is_valid_address(email):
            raise SignInRefused(
                "you have no account here; ask an administrator to add your e-mail address"
            )
        new = NewAccount(new_id(), email, role, None, claims.issuer, claims.subject)
        if not change.add(new):
            raise SignInRefused("your account was made at this moment; sign in again")
        details = {"role": role.value, "by": "provider"}
        change.record(AuditEvent("user.add", new.id, "done", new.id, details, origin))
        account = change.hold(new.id)
        assert account is not None
        return account

    def _seal(self, note: Note) -> str:
        return self._tools.seals.seal(SEAL, json.dumps(asdict(note)))

    def _open(self, sealed: str) -> Note:
        text = None
        if len(sealed) <= LONGEST_NOTE:
            text = self._tools.seals.open(SEAL, sealed, NOTE_SECONDS)
        if text is None:
            raise SignInRefused("signing in took too long, or began in another browser; try again")
        return Note(**json.loads(text))

    def _code(self, note: Note, answer: Mapping[str, str]) -> str:
        """The code of an answer that is to our question."""
        state = answer.get("state", "").encode("utf-8", "surrogatepass")
        issuer = answer.get("iss", self._provider().issuer)
        if not hmac.compare_digest(state, note.state.encode()):
            raise SignInRefused("the answer is not to this sign-in; begin it again")
        if issuer != self._provider().issuer:
            raise SignInRefused("the answer is of another provider; begin again")
        if "error" in answer:
            error = answer["error"]
            reason = error if _ERROR.fullmatch(error) else "it does not say why"
            raise SignInRefused(f"the provider did not sign you in ({reason}); try again")
        return answer.get("code", "")

    def _provider(self) -> OpenIdProvider:
        if self._tools.provider is None:
            raise SignInRefused("nobody signs in at a provider here; use a password")
        return self._tools.provider

    def _record_refusal(self, target: str, reason: str, origin: Origin) -> None:
        login_failed(reason)
        self._tools.trail.record(
            AuditEvent(
                "session.begin",
                outcome="refused",
                target=target,
                details={"reason": reason, "road": "openid"},
                origin=origin,
            )
        )
