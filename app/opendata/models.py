"""The shapes of the open data, for the API's description. They describe; answers are made from rows directly."""

from __future__ import annotations

from datetime import date as day
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Lifecycle = Literal["open", "closed", "cancelled", "awarded"]


class Document(BaseModel):
    """A file of a tender."""

    id: str = Field(description="The file's GUID.")
    title: str | None
    url: str | None = Field(description="Where eTenders serves it.")
    format: str | None = Field(description="The file name's extension, in lower case.", examples=["pdf"])
    date_published: str | None = Field(description="As the source gave it; its zone is unresolved.")
    date_modified: str | None = Field(description="As the source gave it; its zone is unresolved.")
    source: Literal["release", "portal"] = Field(description="Who showed the file.")


class Origin(BaseModel):
    """Where a field's value came from."""

    source: Literal["release", "portal", "derived"]
    field: str = Field(description="The source's field, or the column that it was derived from.")
    at: str = Field(description="When it was taken.")


class Tender(BaseModel):
    """A tender as it stands. Times are South African, with +02:00; a field that nobody states is null."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    ocid: str = Field(description="The tender's identifier, for ever.", examples=["ocds-9t57fa-136707"])
    release_id: str | None = Field(description="The source's id of its newest release.")
    date: day | None = Field(description="The publication day.")
    tag: list[str] | None
    buyer_id: str | None = Field(description="The portal's number of the organ of state.")
    buyer_name: str | None
    title: str | None = Field(description="The buyer's own tender number. Not unique.")
    display_title: str | None = Field(description="At most 80 characters in readable case.")
    description: str | None
    main_category: str | None = Field(description="goods, works or services.")
    status: str | None = Field(description="The source's own word.")
    published_at: datetime | None
    updated_at: datetime | None
    closing_at: datetime | None
    tender_type: str | None
    tender_type_category: str | None
    province: str | None
    city: str | None = Field(description="The town or city of delivery.")
    district: str | None = Field(description="Its district or metropolitan municipality.")
    delivery_location: str | None = Field(description="The place of delivery as the buyer wrote it.")
    special_conditions: str | None
    contact_person: str | None
    contact_email: str | None
    contact_telephone: str | None
    briefing_at: datetime | None
    briefing_venue: str | None
    briefing_meeting_link: str | None
    briefing_meeting_id: str | None
    briefing_meeting_passcode: str | None
    has_briefing: bool | None
    briefing_compulsory: bool | None
    detailed_category: str | None = Field(description="One of the portal's 91 categories.")
    organ_of_state_type: str | None
    municipality_type: str | None
    department_level: str | None
    has_e_submission: bool | None
    two_envelope: bool | None
    validity_days: int | None = Field(description="How long a bid must remain valid.")
    estimated_value_min: float | None = Field(description="A stated value of the contract in rand.")
    estimated_value_max: float | None
    award_supplier: str | None
    award_amount: float | None = Field(description="In rand; sources are known to misplace zeros.")
    document_count: int | None
    data_quality_score: int | None = Field(description="0 to 100: how much of the record is there.")
    slug: str = Field(description="The last part of the tender's address; never changes.")
    lifecycle: Lifecycle
    enrichment_status: Literal["pending", "enriched", "not_listed", "failed"]
    enrichment_attempts: int
    enrichment_next_at: datetime | None
    enrichment_error: str | None
    enriched_at: datetime | None
    is_published: bool
    first_seen_at: datetime = Field(description="When this platform first saw it.")
    last_changed_at: datetime = Field(description="When this platform last saw a change.")
    provenance: dict[str, Origin] = Field(description="For each field that has a value, where it came from.")
    quality: dict[str, int] = Field(description="The points of the data-quality score, by group.")
    documents: list[Document]


class Count(BaseModel):
    """A value, and how many of the counted tenders have it."""

    value: str
    count: int


class Facets(BaseModel):
    """How what fits is spread, counted over at most 2,500 tenders: the newest, unless it is a word that many have."""

    counted: int = Field(description="Over how many tenders was counted: all that fit, unless `capped`.")
    capped: bool = Field(description="Whether more fit than were counted.")
    province: list[Count]
    detailed_category: list[Count]
    organ_of_state_type: list[Count]
    lifecycle: list[Count]


class TenderPage(BaseModel):
    """Some tenders, the newest publication first."""

    tenders: list[Tender]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.")
    facets: Facets | None = Field(description="Counts; null unless asked for, or on the first page.")


class Change(BaseModel):
    """A field that differs from the content before; null: there was none."""

    path: str = Field(examples=["tender.tenderPeriod.endDate"])
    before: Any
    after: Any


class Version(BaseModel):
    """One distinct content of the tender's release."""

    releaseId: str | None = Field(description="The source's id; it stays when the content changes.")  # noqa: N815
    contentHash: str = Field(description="SHA-256 over what the content says, in hexadecimal.")  # noqa: N815
    date: str | None = Field(description="The publication day that it states.")
    fetchedAt: datetime = Field(description="When this platform first saw it.")  # noqa: N815
    changes: list[Change] = Field(description="What differs from the version before, in the source's fields.")
    fields: list[Change] = Field(description="The same in the tender's columns, times corrected.")
    release: Any = Field(description="The content as the source gave it.")


class History(BaseModel):
    """Every distinct content that was seen, oldest first."""

    ocid: str
    releases: list[Version]


class ReleasePackage(BaseModel):
    """An OCDS 1.1 release package; see standard.open-contracting.org for its fields."""

    model_config = ConfigDict(extra="allow")

    uri: str
    version: Literal["1.1"]
    extensions: list[str]
    publishedDate: datetime  # noqa: N815
    publisher: dict[str, Any]
    license: str
    releases: list[dict[str, Any]]
    links: dict[str, str]


class RecordPackage(BaseModel):
    """An OCDS 1.1 record package of one record."""

    model_config = ConfigDict(extra="allow")

    uri: str
    version: Literal["1.1"]
    extensions: list[str]
    publishedDate: datetime  # noqa: N815
    publisher: dict[str, Any]
    license: str
    records: list[dict[str, Any]]


class Problem(BaseModel):
    """What is wrong with the request, or here."""

    error: str
