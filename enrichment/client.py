"""The portal: a whole bucket as one snapshot, or a page of it (docs/data.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocds.gate import Gate, NullGate, SpacingGate
from ocds.http import USER_AGENT, JsonSource

LIVE_BASE_URL = "https://www.etenders.gov.za"
PUBLISHED, AWARDED, CLOSED, CANCELLED = 1, 2, 3, 4
"""The buckets, as the portal numbers them in ``status``."""


@dataclass(frozen=True, slots=True)
class PortalPage:
    """One page, newest tenders first. The list is live, so pages overlap: whoever walks them dedupes by id."""

    rows: list[Any]
    records_total: int


class PortalClient:
    """Reads the portal at ``base_url``; every trouble of the host is an UpstreamError. Safe to share between
    threads.

    The starts of two requests lie at least ``delay_ms`` apart. ``timeout`` bounds one whole request in
    seconds.
    """

    def __init__(
        self,
        base_url: str = LIVE_BASE_URL,
        *,
        gate: Gate | None = None,
        delay_ms: int = 300,
        timeout: float = 120,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._source = JsonSource(
            base_url,
            gate=_Spaced(delay_ms / 1000, gate or NullGate()),
            timeout=timeout,
            user_agent=user_agent,
            headers={
                "X-Requested-With": "XMLHttpRequest",
                "Referer": f"{base_url.rstrip('/')}/Home/opportunities?id=1",
            },
        )

    def bucket(self, status: int = PUBLISHED) -> Iterator[Any]:
        """Every row of a bucket, one consistent snapshot, parsed while it arrives.

        Whoever reads to the end has the whole bucket; one that is cut short raises UpstreamError.
        """
        return self._source.stream_array("/Home/TenderOpportunities/", {"status": str(status)})

    def page(self, status: int, start: int, length: int) -> PortalPage:
        """Rows ``start`` to ``start + length`` of a bucket, fewer where it ends."""
        query = {"draw": "1", "start": str(start), "length": str(length), "status": str(status)}
        answer = self._source.get_json("/Home/PaginatedTenderOpportunities", query)
        rows = answer.body.get("data") if isinstance(answer.body, dict) else None
        total = answer.body.get("recordsTotal") if isinstance(answer.body, dict) else None
        if not isinstance(rows, list) or isinstance(total, bool) or not isinstance(total, int):
            raise answer.unexpected("a page of tenders")
        return PortalPage(rows, total)

    def close(self) -> None:
        """Close the connections; the client is not used afterwards."""
        self._source.close()


class _Spaced:
    """A gate before a gate: keeps the portal's own distance, then asks the shared one."""

    def __init__(self, interval: float, gate: Gate) -> None:
        self._spacing = SpacingGate(interval)
        self._gate = gate

    def enter(self, host: str) -> None:
        self._spacing.enter(host)
        self._gate.enter(host)

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        self._gate.leave(host, ok=ok, seconds=seconds, status=status)
