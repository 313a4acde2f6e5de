"""What can go wrong with a source, in two families: the source itself, and the data it gave."""


class SourceError(Exception):
    """Anything wrong with a source or with what it gave; ``kind`` is the word that a job's error shows."""

    kind = "APPLICATION"


class UpstreamError(SourceError):
    """A government host did not answer as it should: raised by the clients, and by a gate that is shut.

    ``url`` carries no credentials. ``status`` is None where no answer came. ``retry_after`` is what the host
    asked for, in seconds. The request may be repeated later; the clients never repeat one once an answer
    began.
    """

    kind = "EXTERNAL_API"

    def __init__(
        self,
        problem: str,
        *,
        host: str,
        url: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.problem = problem
        self.host = host
        self.url = url
        self.status = status
        self.retry_after = retry_after
        when = (
            "later" if retry_after is None else f"no sooner than {retry_after:.0f} s from now, as {host} asks"
        )
        super().__init__(f"{host}: {problem} (GET {url}). The request is repeated {when}.")

    def __reduce__(self) -> tuple[object, ...]:
        return _upstream_error, (self.problem, self.host, self.url, self.status, self.retry_after)


def _upstream_error(
    problem: str, host: str, url: str, status: int | None, retry_after: float | None
) -> UpstreamError:
    return UpstreamError(problem, host=host, url=url, status=status, retry_after=retry_after)


class DataError(SourceError):
    """One record cannot be read: raised by the readers for that record alone; the others are not affected."""

    kind = "DATA"


class RejectedRelease(DataError):  # noqa: N818 - named for what became of the release
    """A release without a usable identity: raised by ``ocds.release.read``. ``ocid`` is what it claimed."""

    def __init__(self, reason: str, *, ocid: str | None = None) -> None:
        self.reason = reason
        self.ocid = ocid
        super().__init__(f"Release {ocid or 'without ocid'} is set aside: {reason}.")

    def __reduce__(self) -> tuple[object, ...]:
        return _rejected_release, (self.reason, self.ocid)


def _rejected_release(reason: str, ocid: str | None) -> RejectedRelease:
    return RejectedRelease(reason, ocid=ocid)
