"""Where a tender stands: open, closed, cancelled or awarded."""

from datetime import datetime

_CANCELLED = frozenset({"cancelled", "canceled", "withdrawn", "unsuccessful"})
_AWARDED = frozenset({"awarded"})
_CLOSED = frozenset({"closed", "complete", "completed"})


def lifecycle_of(
    *,
    release_status: str | None,
    bucket_status: str | None,
    awarded: bool,
    closing_at: datetime | None,
    now: datetime,
) -> str:
    """The strongest statement wins: a cancellation, then an award, then the end of the closing time.

    A tender that still says "published" is closed once its closing time has passed. That no award is known
    never means that none was made.
    """
    stated = {status.lower() for status in (release_status, bucket_status) if status}
    if stated & _CANCELLED:
        return "cancelled"
    if awarded or stated & _AWARDED:
        return "awarded"
    if stated & _CLOSED or (closing_at is not None and closing_at <= now):
        return "closed"
    return "open"
