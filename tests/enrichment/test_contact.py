"""Addresses and numbers that can be used, and nothing where there is none."""

from __future__ import annotations

import pytest

from enrichment.contact import email_of, telephone_of


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("scm@example-dept.gov.za", "scm@example-dept.gov.za"),
        ("  Scm.Office@DEPT.GOV.ZA ", "Scm.Office@dept.gov.za"),
        ("mailto:scm@dept.gov.za", "scm@dept.gov.za"),
        ("scm@dept.gov.za.", "scm@dept.gov.za"),
        ("<scm@dept.gov.za>", "scm@dept.gov.za"),
        ("scm@dept.gov.za;tenders@dept.gov.za", "scm@dept.gov.za"),
        ("scm@dept.gov.za or tenders@dept.gov.za", "scm@dept.gov.za"),
        ("scm@dept.gov.za/tenders@dept.gov.za", "scm@dept.gov.za"),
        ("scm (at) dept.gov.za", "scm@dept.gov.za"),
        ("scm[at]dept[dot]gov[dot]za", "scm@dept.gov.za"),
        ("scm @ dept.gov.za", "scm@dept.gov.za"),
        ("scm@dept,gov.za", "scm@dept.gov.za"),
        ("scm@dept.gov. za", "scm@dept.gov.za"),
        ("scm@dept.coza", "scm@dept.co.za"),
        ("SCM@DEPT.COZA", "SCM@dept.co.za"),
        ("scm@dept,co,za", "scm@dept.co.za"),
        ("“scm@dept.gov.za”", "scm@dept.gov.za"),
        ("SCM: scm@dept.gov.za", "scm@dept.gov.za"),
        ("scm@dept.gov.zaTel", "scm@dept.gov.za"),
        ("scm@dept.gov.zaTel: 012 345 6789", "scm@dept.gov.za"),
        ("o'brien@dept.gov.za", "o'brien@dept.gov.za"),
        ("broken@, scm@dept.gov.za", "scm@dept.gov.za"),
        ("Thabo.Mokoena @ dept . org . za", "Thabo.Mokoena@dept.org.za"),
    ],
)
def test_the_first_valid_address_is_taken_and_mended_where_one_reading_is_left(
    text: str, address: str
) -> None:
    assert email_of(text) == address


@pytest.mark.parametrize(
    "text",
    [None, "", "N/A", "none", "scm.dept.gov.za", "scm@", "@dept.gov.za", "scm@dept", "a b c", "na@na.co.za",
     "none@none.com",
     "scm..office@dept.gov.za", "scm@dept..gov.za", "test@test.com", "noreply@dept.gov.za", "n/a@gmail.com", "a@a.com",
     "admin@admin.com", "no@no.com", "unknown@unknown.com", "123@123.com", "nomail@mail.com", "scm@www.dept.gov.za",
     "scm@dept.gov .za", "scm@dept.gov", "scm@dept.con", "scm@dept.gov.z", "j,doe@dept.gov.za",
     "j doe@dept.gov.za", "scm/bids@dept.gov.za", "d.oâ€™connor@dept.gov.za", "x@" + "a" * 600 + ".za"],
)  # fmt: skip
def test_what_is_no_address_is_dropped(text: str | None) -> None:
    assert email_of(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("011-276-5472", "+27112765472"),
        ("(012) 406 1999", "+27124061999"),
        ("+27 (0)12 406 1999", "+27124061999"),
        ("0027 12 406 1999", "+27124061999"),
        ("27124061999", "+27124061999"),
        ("082 555 1234", "+27825551234"),
        ("012 406 1999 / 082 555 1234", "+27124061999"),
        ("012 406 1999/2001", "+27124061999"),
        ("000-000-0000 or 012 406 1999", "+27124061999"),
        ("012 406 1999 ext 123", "+27124061999"),
        ("0860 123 456", "+27860123456"),
        ("+264 61 283 2111", "+264612832111"),
        ("011 276 5472 0825551234", "+27112765472"),
        ("(w) 011 276 5472 (c) 082 555 1234", "+27112765472"),
        ("012 406 1999-2003", "+27124061999"),
        ("082 555 1234 (Mr A. Person)", "+27825551234"),
    ],
)
def test_a_number_is_normalised_to_e164_and_south_african_unless_it_says_otherwise(
    text: str, number: str
) -> None:
    assert telephone_of(text) == number


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "N/A",
        "000-000-0000",
        "0000000000",
        "012 3456",
        "999-999-9999",
        "call us",
        "12345678901234567890",
        "012 345 6789",
        "082 123 456",
        "+2782555123",
        "8001015009087",
    ],
)
def test_what_is_no_number_is_dropped(text: str | None) -> None:
    assert telephone_of(text) is None
