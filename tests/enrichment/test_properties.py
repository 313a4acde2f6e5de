"""What every derivation keeps whatever it is given: it never raises, stays within bounds, and is stable."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.briefing import meeting_of
from enrichment.category import category_of
from enrichment.contact import email_of, telephone_of
from enrichment.derive import derive
from enrichment.gazetteer import gazetteer, key
from enrichment.organ import buyer_id_of, organ_of
from enrichment.organ_types import TYPES
from enrichment.place import address_of, place_of, province_of_buyer
from enrichment.province import PROVINCES, province_of
from enrichment.rows import read_row
from enrichment.slug import slug_of
from enrichment.tender_type import tender_type_of
from enrichment.title import display_title
from enrichment.units import measure
from enrichment.value import stated_value
from ocds.values import PLACEHOLDERS, UNREADABLE, paragraphs, text
from tests.enrichment.captures import NOW, OLD_ROWS, row_like

ANY = st.text(max_size=120)
WORDS = """\
SUPPLY AND DELIVERY OF THE CCTV SARS KZN 11KV 500ML m² FOR A PERIOD OF 36 MONTHS (36) R2 500 000,00 R1,2m budget
estimated value not exceed RFQ RFP: BID NO 12/2025 - – … &amp; \u00a0 \u2028 PHASE II İSTANBUL ßtraße e\u0301
Appointment of a service provider to provide RE-ADVERT: Pretoria Durban Road Ga-Rankuwa 0001 N/A @dept.gov.za
scm 012-406-1999 +27 ext or / ; https://teams.microsoft.com/l/ Meeting ID: 123 456 789 Passcode: aB1 Local
Municipality District Department Hospital ' “ ” ( ) [ ] . , : *"""
PIECES = st.sampled_from(re.split(r"([ \n])", WORDS))
LIKELY = st.lists(PIECES, max_size=40).map("".join) | st.lists(PIECES, max_size=25).map(" ".join)
TEXT = ANY | LIKELY
PROVINCE = st.none() | st.sampled_from(PROVINCES)


@settings(max_examples=300, deadline=None)
@given(TEXT, st.none() | TEXT)
def test_a_title_is_one_short_line_and_so_is_its_slug(description: str, number: str | None) -> None:
    title = display_title(description, number)
    if title is not None:
        assert 0 < len(title) <= 80
        assert title == " ".join(title.split())
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*-7", slug_of(title, 7))
    assert len(slug_of(title, 7)) <= 80


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_an_address_is_valid_and_stays_what_it_is(given_text: str) -> None:
    address = email_of(given_text)
    if address is not None:
        assert validate_email(address, check_deliverability=False).normalized == address
        assert email_of(address) == address


@settings(max_examples=300, deadline=None)
@given(st.from_regex(r"\A[d-f2-3.-]{1,9}\.(?:co|gov|ac)?\.?(?:za|com|net|org)\Z"))
def test_a_domain_is_taken_where_the_validator_takes_it(domain: str) -> None:
    dotted = re.sub(r"(?<=\.)(co|gov|ac)za$", r"\1.za", domain)
    try:
        expected = f"scm@{validate_email(f'scm@{dotted}', check_deliverability=False).domain}"
    except EmailNotValidError:
        expected = None
    assert email_of(f"scm@{domain}") in {expected, None}
    if expected and domain[0] not in "-.":
        assert email_of(f"scm@{domain}") == expected


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_a_number_is_valid_e164_and_stays_what_it_is(given_text: str) -> None:
    number = telephone_of(given_text)
    if number is not None:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", number)
        assert phonenumbers.is_valid_number(phonenumbers.parse(number, None))
        assert telephone_of(number) == number


@settings(max_examples=500, deadline=None)
@given(st.integers(10**8, 10**9 - 1))
def test_a_national_number_is_valid_where_the_library_says_so(significant: int) -> None:
    printed = f"0{significant}"
    valid = phonenumbers.is_valid_number(
        phonenumbers.PhoneNumber(country_code=27, national_number=significant)
    )
    real = valid and len(set(printed[-7:])) > 1 and printed != "0123456789"
    assert telephone_of(f"{printed[:3]}-{printed[3:6]}-{printed[6:]}") == (
        f"+27{significant}" if real else None
    )


@settings(max_examples=300, deadline=None)
@given(TEXT, PROVINCE, st.none() | TEXT)
def test_a_place_is_one_of_the_gazetteer_and_names_itself(
    address: str, province: str | None, buyer: str | None
) -> None:
    towns = {(town.name, town.district) for entries in gazetteer().towns.values() for town in entries}
    place = place_of(None, address, province, buyer)
    if place.city is not None:
        assert (place.city, place.district) in towns
    assert place_of((address, None, address), None, province, buyer) is not None
    kept = address_of(address)
    assert kept in {address, None}


def test_each_town_is_found_by_its_own_name() -> None:
    lost = []
    for entries in gazetteer().towns.values():
        for town in entries:
            alike = {
                other.place for other in gazetteer().towns[key(town.name)] if other.province == town.province
            }
            place = place_of(None, town.name, town.province, None)
            if len(alike) == 1 and (place.city, place.district) != (town.name, town.district):
                lost.append((town, place))
    assert lost == []


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_a_value_is_an_ordered_pair_in_whole_cents(given_text: str) -> None:
    value = stated_value(given_text)
    if value is not None:
        assert value.maximum is not None
        assert 5_000 <= value.maximum <= 200_000_000_000
        assert value.minimum is None or value.minimum <= value.maximum
        assert value.maximum == round(value.maximum, 2)


@settings(max_examples=300, deadline=None)
@given(TEXT, st.none() | TEXT)
def test_every_name_has_a_kind_of_the_vocabulary(name: str, number: str | None) -> None:
    organ = organ_of(number, name)
    assert organ is None or organ.type in TYPES
    assert organ is not None or not name
    assert buyer_id_of(name) is None or buyer_id_of(name).isdigit()  # type: ignore[union-attr]
    assert province_of_buyer(name) in {None, *PROVINCES}


@settings(max_examples=200, deadline=None)
@given(TEXT, st.none() | TEXT)
def test_the_smaller_readers_take_anything(given_text: str, other: str | None) -> None:
    meeting = meeting_of(given_text, other)
    assert meeting.id is None or 8 <= len(meeting.id) <= 15
    assert meeting.link is None or meeting.link.lower().startswith("http")
    province = province_of(given_text)
    assert province is None or province_of(province) == province
    named = category_of(given_text).name
    assert category_of(named).name == named
    kind = tender_type_of(given_text)
    assert tender_type_of(kind.name).category == kind.category
    spelled = measure(given_text)
    assert spelled is None or measure(spelled) == spelled


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_a_cleaned_text_is_clean(given_text: str) -> None:
    for clean in (text, paragraphs):
        once = clean(given_text)
        assert once is not UNREADABLE
        assert clean(once) == once


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("contactPerson", "contact_person"),
        ("email", "contact_email"),
        ("telephone", "contact_telephone"),
        ("briefingVenue", "briefing_venue"),
        ("conditions", "special_conditions"),
        ("description", "description"),
        ("tender_No", "title"),
        ("type", "tender_type"),
    ],
)
@pytest.mark.parametrize("shape", ["older", "newer"])
def test_no_placeholder_survives(field: str, column: str, shape: str) -> None:
    kept = []
    for placeholder in sorted(PLACEHOLDERS | {"000-000-0000", "0000000000"} - {""}):
        for printed in (placeholder, placeholder.upper(), f"  {placeholder} ", f"{placeholder}\r\n"):
            if placeholder.startswith("000") and field != "telephone":
                continue
            row = {**OLD_ROWS[0], field: printed} if shape == "older" else row_like(**{field: printed})
            if derive(None, read_row(row), now=NOW).columns[column] is not None:
                kept.append(printed)
    assert kept == []
