"""Release and record packages: OCDS 1.1 with the licence and attribution that the source asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import ocdsmerge

from ocds.dates import SAST

Json = dict[str, Any]

LICENCE = "https://opendatacommons.org/licenses/pddl/1-0/"
PUBLISHER = {"name": "National Treasury (South Africa)", "uri": "https://data.etenders.gov.za/"}


def release_package(
    releases: Sequence[Json], *, uri: str, base_url: str, published: datetime, next_uri: str | None = None
) -> Json:
    """One page of releases. `published` is when its youngest content last changed."""
    links = {"next": next_uri} if next_uri else {}
    return {**_package(uri, base_url, published), "releases": list(releases), "links": links}


def record_package(releases: Sequence[Json], *, uri: str, base_url: str, published: datetime) -> Json:
    """Everything about one tender: its releases, oldest first, and what they compile to.

    `releases` must not be empty, and all have the same ocid.
    """
    compiled = _merger().create_compiled_release(list(releases))
    record = {"ocid": releases[0]["ocid"], "releases": list(releases), "compiledRelease": compiled}
    return {**_package(uri, base_url, published), "records": [record]}


@cache
def _merger() -> ocdsmerge.Merger:
    # Without a schema at hand the library would fetch one from the standard's web site.
    schema = files("app.opendata").joinpath("schema/release-schema.json").read_text(encoding="utf-8")
    return ocdsmerge.Merger(json.loads(schema))


def _package(uri: str, base_url: str, published: datetime) -> Json:
    return {
        "uri": uri,
        "version": "1.1",
        "extensions": [f"{base_url.rstrip('/')}/api/ocds/extension/extension.json"],
        "publishedDate": published.astimezone(SAST).isoformat(),
        "publisher": PUBLISHER,
        "license": LICENCE,
    }
