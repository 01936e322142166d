"""Which calls are tried again, and when."""

from __future__ import annotations

import random

import grpc

from kvgate.errors import KvgateError

ATTEMPTS_MAX = 4
"""How often a call is tried, the first time included, if nothing else is said."""
BACKOFF_SECONDS = 0.05
"""The pause before the second try, which doubles with each one."""
BACKOFF_SECONDS_MAX = 1.0
"""The longest pause."""


def pause_before_retry(error: KvgateError, attempts_max: int) -> float | None:
    """How many seconds to wait before the call is tried again; None: not again.

    Whatever is UNAVAILABLE is, and RESOURCE_EXHAUSTED where the server says when: too many calls
    at once pass, a full disk doesn't.
    """
    busy = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after is not None
    if not busy and error.code is not grpc.StatusCode.UNAVAILABLE:
        return None
    if error.attempts >= attempts_max:
        return None
    backoff: float = min(BACKOFF_SECONDS * 2 ** (error.attempts - 1), BACKOFF_SECONDS_MAX)
    # At random, so that the callers of a server that comes back don't call all at once.
    return (error.retry_after or 0.0) + backoff * random.uniform(0.5, 1.5)
