"""HTTP calls that survive restarts of the API: responses are counted, a server error is a finding."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from tests.soak.report import Report

RETRIED_FOR_S = 300.0
"""Seconds after which a write that was not accepted is a finding."""
_SERVER_FAULTS = frozenset({500, 501, 502, 504, 505})


class Caller:
    """A client of the API; not thread-safe."""

    def __init__(self, root: str, rng: random.Random, report: Report) -> None:
        self._client = httpx.Client(base_url=f"{root}/api/v1", timeout=45)
        self._rng, self._report = rng, report

    def send(
        self, call: str, method: str, path: str, *, timeout_s: float = 45, **options: Any
    ) -> httpx.Response | None:
        """Sends one request; None without a response, which leaves the outcome unknown."""
        begun = time.monotonic()
        try:
            answer = self._client.request(method, path, timeout=timeout_s, **options)
        except httpx.TransportError as error:
            self._report.answer(call, type(error).__name__)
            return None
        self._report.answer(call, str(answer.status_code))
        if answer.status_code in _SERVER_FAULTS:
            self._report.finding(
                "a server error",
                call=f"{method} {answer.request.url}",
                status=answer.status_code,
                body=answer.text[:500],
                request_id=answer.headers.get("X-Request-ID"),
                took_s=round(time.monotonic() - begun, 2),
            )
        return answer

    def write(
        self,
        call: str,
        path: str,
        expected: int,
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
        is_given_up: Callable[[], bool] = lambda: False,
        **options: Any,
    ) -> httpx.Response | None:
        """Repeats a POST with its Idempotency-Key until the response is the expected one.

        Some attempts are cut off by an impatient client, so that it cannot know what came of them.
        """
        deadline = time.monotonic() + RETRIED_FOR_S
        while True:
            impatient = self._rng.random() < 0.08
            answer = self.send(
                call,
                "POST",
                path,
                timeout_s=self._rng.choice((0.005, 0.02, 0.1)) if impatient else 45,
                headers={**(headers or {}), "Idempotency-Key": key},
                **options,
            )
            if answer is not None and answer.status_code == expected:
                return answer
            refused = answer is not None and answer.status_code not in (503, 507, *_SERVER_FAULTS)
            if refused or time.monotonic() > deadline or is_given_up():
                self._report.finding(
                    "a write was refused" if refused else "a write was not taken in time",
                    call=f"{call} {path} key {key}",
                    status=None if answer is None else answer.status_code,
                    body="" if answer is None else answer.text[:500],
                )
                return None
            time.sleep(self._rng.uniform(0.2, 2.0))
