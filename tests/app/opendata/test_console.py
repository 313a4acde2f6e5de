"""The console's search uses the same filters, from a form whose empty fields do not restrict."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import Request

from app.opendata.asking import of_form
from db.tender_search import Filters


def form(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


def test_empty_and_foreign_fields_of_a_form_do_not_restrict() -> None:
    asked = of_form(form("q=&province=&published_from=&lifecycle=open&enrichment_status=pending&cursor=x"))
    assert asked == Filters(lifecycle="open")


def test_a_bad_field_of_a_form_is_refused_by_its_name() -> None:
    with pytest.raises(Exception, match="published_to"):
        of_form(form("published_to=soon"))


def test_the_console_asks_for_a_log_in_first(http: httpx.Client) -> None:
    assert http.get("/admin/tenders?province=").status_code == 303
