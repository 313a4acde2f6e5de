"""The eTenders OCDS API: one list, one release by ocid, one request at a time (docs/data.md)."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from ocds.gate import Gate
from ocds.http import USER_AGENT, JsonSource
from ocds.ids import number_of

# What of a release nothing else has: an odd one lacks some, and is for its reader to judge.
_MEMBERS = frozenset({"ocid", "id", "date", "tag", "tender", "buyer", "parties", "awards", "initiationType"})

LIVE_BASE_URL = "https://ocds-api.etenders.gov.za"


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of the list, as it came: releases may repeat, be odd or be missing, and ``has_next`` may
    lie.
    """

    releases: list[Any]
    has_next: bool


class OcdsClient:
    """Reads the API at ``base_url``; every trouble of the host is an UpstreamError. Safe to share between
    threads.

    ``timeout`` bounds one whole request in seconds, from connecting to the last byte.
    """

    def __init__(
        self,
        base_url: str = LIVE_BASE_URL,
        *,
        gate: Gate | None = None,
        timeout: float = 120,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._http = JsonSource(base_url, gate=gate, timeout=timeout, user_agent=user_agent)

    def list_page(self, date_from: date, date_to: date, *, page: int, page_size: int) -> ListPage:
        """Page ``page`` (from 1) of the releases published from ``date_from`` to ``date_to``, both days
        included.

        A short or empty page and a missing next link prove nothing about the window.
        """
        query = {
            "PageNumber": str(page),
            "PageSize": str(page_size),
            "dateFrom": date_from.isoformat(),
            "dateTo": date_to.isoformat(),
        }
        answer = self._http.get_json("/api/OCDSReleases", query)
        package = answer.body
        releases = package.get("releases", ...) if isinstance(package, dict) else ...
        if releases is None:
            releases = []
        if not isinstance(releases, list):
            raise answer.unexpected("a release package")
        links = package.get("links")
        following = links.get("next") if isinstance(links, dict) else None
        return ListPage(releases, has_next=isinstance(following, str) and bool(following.strip()))

    def release(self, ocid: str) -> dict[str, Any] | None:
        """The release of an ocid as the API gives it, out of any wrapper; None for a hole (``{}`` or 404)."""
        answer = self._http.get_json(f"/api/OCDSReleases/release/{quote(ocid, safe='')}", missing_ok=True)
        found = answer.body
        if isinstance(found, dict) and "ocid" not in found:
            if "release" in found:
                found = found["release"]
            elif isinstance(found.get("releases"), list):
                found = _only(found["releases"], ocid)
            if found is None:
                return None
        if not isinstance(found, dict):
            raise answer.unexpected("a release")
        if not found:
            return None
        if found.keys().isdisjoint(_MEMBERS):
            # An error in JSON, under whatever status.
            raise answer.unexpected("a release")
        given = found.get("ocid")
        if isinstance(given, str) and number_of(given) not in (None, number_of(ocid)):
            raise answer.unexpected(f"the release {ocid}, not {given}")
        return found

    def close(self) -> None:
        """Close the connections; the client is not used afterwards."""
        self._http.close()


def _only(releases: list[Any], ocid: str) -> Any:
    """The one release meant among those of a package: the only one, or the one with the ocid asked for."""
    if len(releases) <= 1:
        return releases[0] if releases else None
    wanted = number_of(ocid)
    for release in releases:
        given = release.get("ocid") if isinstance(release, dict) else None
        if isinstance(given, str) and number_of(given) == wanted:
            return release
    return releases
