"""All files of a tender, the release's and the portal's, one entry per file."""

import re
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from enrichment.rows import PortalDocument
from ocds.release import ReleaseDocument

PORTAL = "https://www.etenders.gov.za"
_PLAIN = re.compile(r"[\w.%-]+", re.ASCII)


class Document(NamedTuple):
    """``id`` is the file's GUID. Time stamps are text as given: their zone is unresolved (docs/data.md)."""

    id: str
    title: str
    url: str
    format: str | None
    date_published: str | None
    date_modified: str | None
    source: Literal["release", "portal"]


def download_url(guid: str, extension: str, name: str) -> str:
    """Where the portal serves a file; ``extension`` carries its dot."""
    return f"{PORTAL}/home/Download?blobName={_quoted(guid + extension)}&downloadedFileName={_quoted(name)}"


def _quoted(text: str) -> str:
    """As ``urllib.parse.quote`` does, without its walk over every byte for names that hold nothing but
    what most names hold.
    """
    quoted = (
        text.replace(" ", "%20")
        .replace("(", "%28")
        .replace(")", "%29")
        .replace("&", "%26")
        .replace(",", "%2C")
    )
    return quoted if _PLAIN.fullmatch(quoted) and "%" not in text else quote(text, safe="")


def merge_documents(
    released: tuple[ReleaseDocument, ...], listed: tuple[PortalDocument, ...]
) -> list[Document]:
    """The release's files in its order, then the portal's other active ones; a file that both have is one
    entry.

    A file that the portal calls inactive was withdrawn, and is left out even if the release still shows it.
    The format is the extension without its dot, in lower case.
    """
    withdrawn = {document.guid.lower() for document in listed if not document.active}
    active = {document.guid.lower(): document for document in listed if document.active}
    merged: dict[str, Document] = {}
    for file in released:
        guid = file.id or _guid_in(file.url)
        if guid is None or guid.lower() in withdrawn:
            continue
        twin = active.get(guid.lower())
        title = file.title or file.description or (twin.name if twin else guid)
        extension = (
            twin.extension if twin else _extension_in(file.url) or (f".{file.format}" if file.format else "")
        )
        merged.setdefault(
            guid.lower(),
            Document(
                id=guid,
                title=title,
                url=file.url or download_url(guid, extension, title),
                format=_format(file.format or extension),
                date_published=file.date_published,
                date_modified=(twin.date_modified if twin else None) or file.date_modified,
                source="release",
            ),
        )
    for key, document in active.items():
        if key not in merged:
            merged[key] = Document(
                id=document.guid,
                title=document.name,
                url=download_url(document.guid, document.extension, document.name),
                format=_format(document.extension or _suffix(document.name)),
                date_published=None,
                date_modified=document.date_modified,
                source="portal",
            )
    return list(merged.values())


def _format(extension: str) -> str | None:
    return extension.lstrip(".").lower() or None


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return suffix if stem and dot and 2 <= len(suffix) <= 5 and suffix.isalnum() else ""


def _blob_in(url: str | None) -> str:
    if not url:
        return ""
    query = parse_qs(urlsplit(url).query)
    return next((values[0] for name, values in query.items() if name.lower() == "blobname"), "")


def _guid_in(url: str | None) -> str | None:
    return _blob_in(url).split(".")[0] or None


def _extension_in(url: str | None) -> str:
    _, dot, suffix = _blob_in(url).rpartition(".")
    return dot + suffix if dot else ""
