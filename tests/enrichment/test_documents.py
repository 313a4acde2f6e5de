"""The files of both sources become one list, each once, each with an address that works."""

from __future__ import annotations

from enrichment.documents import download_url, merge_documents
from enrichment.rows import PortalDocument
from ocds.release import ReleaseDocument

GUID = "5355622d-494c-40c7-81ce-f9547b4fde01"
OTHER = "9cc91750-7786-48e7-96d3-886384fa3706"


def released(guid: str | None = GUID, **changes: str | None) -> ReleaseDocument:
    fields: dict[str, str | None] = {
        "title": "Advert.pdf",
        "url": f"https://www.etenders.gov.za/home/Download?blobName={GUID}.pdf&downloadedFileName=Advert.pdf",
        "format": "pdf",
        "date_published": "2025-10-14T15:56:41Z",
        "date_modified": "2025-10-14T15:56:41Z",
        "document_type": "basic",
        "description": None,
        "language": "en",
    }
    return ReleaseDocument(id=guid, **{**fields, **changes})


def listed(guid: str = GUID, *, active: bool = True, name: str = "Advert & BoQ (1).PDF") -> PortalDocument:
    return PortalDocument(guid, name, ".PDF", active, "2025-10-15T08:00:00.1")


def test_a_file_of_both_sources_is_one_with_the_release_first() -> None:
    (document,) = merge_documents((released(),), (listed(GUID.upper()),))
    assert document.id == GUID
    assert document.title == "Advert.pdf"
    assert document.source == "release"
    assert document.date_published == "2025-10-14T15:56:41Z"
    assert document.date_modified == "2025-10-15T08:00:00.1"


def test_the_portals_other_files_follow_with_their_download_address() -> None:
    documents = merge_documents((released(),), (listed(), listed(OTHER)))
    assert [document.id for document in documents] == [GUID, OTHER]
    assert documents[1].url == (
        f"https://www.etenders.gov.za/home/Download?blobName={OTHER}.PDF&downloadedFileName=Advert%20%26%20BoQ%20%281%29.PDF"
    )
    assert (documents[1].format, documents[1].source) == ("pdf", "portal")


def test_a_withdrawn_file_is_left_out_even_if_the_release_still_shows_it() -> None:
    assert merge_documents((released(),), (listed(active=False),)) == []


def test_a_file_without_an_id_is_known_by_its_address() -> None:
    (document,) = merge_documents((released(None, format=None),), ())
    assert (document.id, document.format) == (GUID, "pdf")
    assert merge_documents((released(None, url=None),), ()) == []


def test_names_of_any_kind_are_quoted() -> None:
    url = download_url(GUID, ".docx", "Überblick 50% + ‘A/B’?.docx")
    assert url.isascii()
    assert " " not in url
    assert url.count("?") == 1
    assert url.count("&") == 1
    assert "%25" in url
