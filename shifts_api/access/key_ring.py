"""All API keys in memory: finds whose a key or a session is, and ends what was opened with a key that has changed."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

import psycopg
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shifts_api.access.key_listener import KeyListener
from shifts_api.queries.api_keys import StoredKey, StoredKeys, touch_keys
from shifts_api.web.endings import Ending
from shifts_api.web.errors import ApiError
from shifts_api.web.identity import ANONYMOUS, Identity
from shifts_core.access.keys import digest_of, is_key, prefix_of
from shifts_core.access.rights import UNLIMITED, Rights
from shifts_core.access.sessions import is_signed, parse_token

SETTING_PREFIX = "setting"
"""Stands for the prefix of the key in `SHIFTS_API_KEY`, which has any form."""
_READ_TIMEOUT_S = 2.0
_TOUCH_S = 10.0
_NO_DIGEST = bytes(32)
_ANYBODY = Rights("writer")

_log = logging.getLogger(__name__)


class KeyRing:
    """Finds the identity of a key or of a session's token.

    Args:
        listener: one autocommitting connection to the trips database, without a pooler in between.
        pool: connections for short statements.
        api_key: `SHIFTS_API_KEY`, an admin key.
        min_count: least number of trips of a cell, from which all but admins are counted; None: that of the pipeline.
    """

    def __init__(
        self,
        listener: AsyncEngine,
        pool: AsyncEngine,
        api_key: SecretStr | None,
        min_count: int | None = None,
    ) -> None:
        self._min_count = min_count
        self._listener = KeyListener(listener, self.receive)
        self._pool = pool
        self._setting = None if api_key is None else _key_of_setting(api_key.get_secret_value())
        self._stored: StoredKeys | None = None
        self._was_read = asyncio.Event()
        self._identities: dict[str, Identity] = {}
        """By prefix, the empty one without a key."""
        self._sessions: WeakValueDictionary[str, Ending] = WeakValueDictionary()
        self._used: dict[int, datetime] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to listen; the database need not be available yet."""
        work: list[Coroutine[Any, Any, None]] = [self._listener.listen_forever(), self._touch_forever()]
        self._tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """Records the last uses and closes the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._touch()
        await self._listener.stop()

    async def wait_until_read(self) -> None:
        """Returns when the keys are known.

        Raises:
            ApiError: 503, the database does not answer.
        """
        if self._was_read.is_set():
            return
        try:
            await asyncio.wait_for(self._was_read.wait(), _READ_TIMEOUT_S)
        except TimeoutError:
            raise _away() from None

    async def read_again(self) -> None:
        """Reads the keys, for one that may have been added so recently that its notification is on its way.

        Raises:
            ApiError: 503, the database does not answer.
        """
        try:
            async with self._pool.connect() as connection:
                await self._listener.read(connection)
        except (SQLAlchemyError, psycopg.Error):
            raise _away() from None

    @property
    def has_keys(self) -> bool:
        """Whether a key exists or existed: revoking the last one does not open the service."""
        stored = self._stored
        return self._setting is not None or (stored is not None and bool(stored.active or stored.revoked))

    def anonymous(self) -> Identity:
        """The identity of requests while no key exists."""
        return self._identity("", ANONYMOUS, None)

    def find_key(self, given: str) -> Identity | None:
        """The identity of a key; None if it is wrong or revoked. Takes the same time for each wrong key."""
        key = self._active(prefix_of(given))
        is_right = is_key(given, _NO_DIGEST if key is None else key.digest)
        is_of_setting = is_key(given, _NO_DIGEST if self._setting is None else self._setting.digest)
        if is_of_setting:
            key = self._setting
        return self._identity_of(key) if key is not None and (is_right or is_of_setting) else None

    def find_session(self, token: str) -> Identity | None:
        """The identity of a session; None if the token is wrong, or the session or its key has ended."""
        session, signature = parse_token(token) or (None, "")
        key = None if session is None else self._active(session.prefix)
        if session is None or key is None or not is_signed(session, signature, key.session_secret):
            return None
        has_ended = self._stored is not None and session.number in self._stored.ended_sessions
        if has_ended or session.expires_at <= time.time():
            return None
        ended = self._sessions.get(session.number)
        if ended is None:
            ended = self._sessions[session.number] = Ending()
        identity = self._identity_of(key)
        return Identity(
            identity.name, identity.rights, identity.ended, identity.key_id, identity.prefix, session, ended
        )

    def is_outdated(self, given: str) -> bool:
        """Whether a key was revoked, or a session's token has expired or ended: no attempt to guess one."""
        session, signature = parse_token(given) or (None, "")
        prefix = prefix_of(given) if session is None else session.prefix
        if self._stored is not None and prefix in self._stored.revoked:
            return True
        key = self._active(prefix)
        return session is not None and key is not None and is_signed(session, signature, key.session_secret)

    def may_be_new(self, given: str) -> bool:
        """Whether a key, or a session's token, has the right form and a prefix that is not known."""
        session, _ = parse_token(given) or (None, "")
        prefix = prefix_of(given) if session is None else session.prefix
        is_revoked = self._stored is not None and prefix in self._stored.revoked
        return prefix is not None and not is_revoked and self._active(prefix) is None

    def session_secret(self, identity: Identity) -> bytes:
        """Signs the sessions of an identity's key."""
        key = self._active(identity.prefix)
        if key is None:
            raise ApiError(401, "The key has been revoked")
        return key.session_secret

    def _active(self, prefix: str | None) -> StoredKey | None:
        if prefix == SETTING_PREFIX:
            return self._setting
        return None if self._stored is None or prefix is None else self._stored.active.get(prefix)

    def _identity_of(self, key: StoredKey) -> Identity:
        if key.key_id is not None:
            self._used[key.key_id] = datetime.now(UTC)
        return self._identity(key.prefix, key.name, key)

    def _identity(self, prefix: str, name: str, key: StoredKey | None) -> Identity:
        found = self._identities.get(prefix)
        if found is None:
            # Without a key, requests may be from anybody; who may write is checked by their address.
            rights, key_id = (_ANYBODY, None) if key is None else (key.rights, key.key_id)
            rights = rights.with_min_count(self._chosen_min_count(self._stored))
            found = self._identities[prefix] = Identity(name, rights, Ending(), key_id, prefix)
        return found

    def _chosen_min_count(self, stored: StoredKeys | None) -> int | None:
        """A service that was not told the least number of trips must not count exactly where the pipeline was."""
        if self._min_count is not None or stored is None:
            return self._min_count
        return stored.min_count

    def receive(self, stored: StoredKeys) -> None:
        """Takes the new keys, and ends the streams of those that changed."""
        before = self._stored
        self._stored = stored
        self._was_read.set()
        is_limited_alike = self._chosen_min_count(before) == self._chosen_min_count(stored)
        for prefix, identity in [*self._identities.items()]:
            old = None if before is None else before.active.get(prefix)
            is_same = not self.has_keys if identity.is_anonymous else old == stored.active.get(prefix)
            if not (is_same and is_limited_alike):
                del self._identities[prefix]
                identity.ended.come()
        for number in stored.ended_sessions:
            if (ended := self._sessions.get(number)) is not None:
                ended.come()

    async def _touch_forever(self) -> None:
        while True:
            await asyncio.sleep(_TOUCH_S)
            await self._touch()

    async def _touch(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._pool.begin() as connection:
                await touch_keys(connection, used)
        except (SQLAlchemyError, psycopg.Error) as error:
            _log.warning("last uses of keys are not recorded", extra={"error": type(error).__name__})


def _away() -> ApiError:
    return ApiError(503, "The database is busy or away, try again", {"Retry-After": "2"})


def _key_of_setting(key: str) -> StoredKey:
    # Derived from the key, so that all processes accept each other's sessions, until the setting changes.
    secret = hmac.new(key.encode(), b"sessions", hashlib.sha256).digest()
    return StoredKey(None, "SHIFTS_API_KEY", SETTING_PREFIX, digest_of(key), secret, UNLIMITED)
