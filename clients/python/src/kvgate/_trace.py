"""Passes the current trace on, if OpenTelemetry is installed."""

from __future__ import annotations

try:
    from opentelemetry import propagate
except ImportError:
    propagate = None  # type: ignore[assignment]


def trace_headers() -> dict[str, str]:
    """The headers of W3C Trace Context, or of whatever OpenTelemetry is set up to write."""
    headers: dict[str, str] = {}
    if propagate is not None:
        propagate.inject(headers)
    return headers
