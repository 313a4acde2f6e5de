"""The portal's two row shapes and the one mapping between them.

The *newer* shape is what ``PaginatedTenderOpportunities`` answers, the *older* one what
``TenderOpportunities`` answers. What the older shape never said (validity, e-submission, two envelopes)
is null in a row made from it: nothing is invented.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.replay.calendar import JsonObject, display_day, display_time

SAME_IN_BOTH = (
    *("id", "tender_No", "type", "date_Published", "closing_Date", "compulsory_briefing_session", "status"),
    *("category", "description", "province", "department", "contactPerson", "email", "telephone", "fax"),
    *("briefingVenue", "conditions"),
)
ADDRESS = ("streetname", "surburb", "town", "code")
_NEWER_NULLS = (
    *("biddersListDocuments", "isModified", "questionsAndAnswers", "esubRequiredDocuments", "discussions"),
    *("discussion", "awards", "bidders", "cancelled", "closed", "clusters"),
)


@dataclass(frozen=True)
class Vocabulary:
    """The ids that the portal's filter form gives to names of departments, categories and provinces."""

    departments: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)
    provinces: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, options: JsonObject) -> Vocabulary:
        """From a captured ``filter_options.json``; names are compared without the blanks around them."""

        def ids(key: str) -> dict[str, int]:
            return {str(item["label"]).strip(): int(item["value"]) for item in options.get(key, [])}

        return cls(ids("departments"), ids("categorieslist"), ids("provincelist"))

    def department(self, name: str | None) -> int | None:
        """The department's id, or None for a name that the form does not list."""
        return self.departments.get((name or "").strip())


def is_older(row: JsonObject) -> bool:
    """Whether a row has the older shape."""
    return "sd" in row


def to_older(row: JsonObject) -> JsonObject:
    """A row of the newer shape in the older one."""
    parts = [row[key] or "" for key in ADDRESS]
    return {
        "id": row["id"],
        "tender_No": row["tender_No"],
        "type": row["type"],
        "delivery": " - ".join(parts) if any(parts) else None,
        "department": row["department"],
        "date_Published": row["date_Published"],
        "cbrief": row["compulsory_briefing_session"] is not None,
        "cd": display_time(row["closing_Date"]),
        "dp": display_day(row["date_Published"]),
        "closing_Date": row["closing_Date"],
        "brief": display_time(row["compulsory_briefing_session"]),
        "compulsory_briefing_session": row["compulsory_briefing_session"],
        "status": row["status"],
        "category": row["category"],
        "description": row["description"],
        "province": row["province"],
        "contactPerson": row["contactPerson"],
        "email": row["email"],
        "telephone": row["telephone"],
        "fax": row["fax"],
        "briefingVenue": row["briefingVenue"],
        "conditions": row["conditions"],
        "sd": [document | {"tenders": None} for document in row["supportDocument"]],
        "bf": "Yes" if row["briefingSession"] else " NO",
        "bc": "Yes" if row["briefingCompulsory"] else " NO",
    }


def to_newer(row: JsonObject, vocabulary: Vocabulary) -> JsonObject:
    """The row in the newer shape, with the ids that the vocabulary knows."""
    if not is_older(row):
        return row
    documents = [{key: item for key, item in sd.items() if key != "tenders"} for sd in row["sd"]]
    department_id = vocabulary.department(row["department"])
    category_id = vocabulary.categories.get((row["category"] or "").strip())
    province_id = vocabulary.provinces.get((row["province"] or "").strip())
    newer: JsonObject = {key: row[key] for key in SAME_IN_BOTH}
    newer |= _address(row["delivery"])
    newer |= {
        "organ_of_State": row["department"],
        "clustersID": 0,
        "username": documents[0]["updatedBy"] if documents else None,
        "briefingSession": row["bf"].strip().lower() == "yes",
        "briefingCompulsory": row["bc"].strip().lower() == "yes",
        "validity": None,
        "provincesID": province_id,
        "provinces": {"provincesID": province_id, "name": row["province"]},
        "categoriesID": category_id,
        "departmentsID": department_id,
        "departments": {"departmentsID": department_id, "name": row["department"]},
        "categories": {"categoriesID": category_id, "name": row["category"]},
        "biddersListDocument": None,
        "biddersListDocumentGuid": None,
        "eSubmission": None,
        "twoEnvelopeSubmission": None,
        "supportDocument": documents,
        **dict.fromkeys(_NEWER_NULLS),
        "releaseId": 0,
        "ocid": None,
        "sysStartTime": "0001-01-01T00:00:00",
        "sysEndTime": "0001-01-01T00:00:00",
        "actions": {
            "authorized": False,
            "tender_No": row["tender_No"],
            "notification": False,
            "bookmark": False,
        },
    }
    return newer


def _address(delivery: str | None) -> JsonObject:
    """The four parts of the older shape's ``street - suburb - town - code``; a dash too many belongs to the
    street.
    """
    parts = delivery.rsplit(" - ", 3) if delivery else []
    if len(parts) != len(ADDRESS):
        parts = [delivery or "", "", "", ""]
    address: JsonObject = {key: part or None for key, part in zip(ADDRESS, parts, strict=True)}
    address["delivery"] = "-".join(parts) if delivery else None
    return address
