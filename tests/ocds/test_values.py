"""Single values in the sources' own spellings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocds import values
from ocds.values import UNREADABLE

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("given_text", "text"),
    [
        ("Johannesburg Development Agency", "Johannesburg Development Agency"),
        ("Eastern Cape - Agriculture ", "Eastern Cape - Agriculture"),
        ("  two   blanks\t\r\nand lines ", "two blanks and lines"),
        ("RFP – PANEL — A‑B\u2212C \u0096 D", "RFP - PANEL - A-B-C - D"),
        ("non\u00a0breaking\u2009blanks", "non breaking blanks"),
        ("zero\u200bwidth\ufeff and so\u00adft", "zerowidth and soft"),
        ("bell\x07 nul\x00 sep\x1c end", "bell nul sep end"),
        ("half \ud83d character", "half \ufffd character"),
        ("Café uMgungundlovu 😀", "Café uMgungundlovu 😀"),
        ("SKA SA â€“ Square Kilometre Array", "SKA SA - Square Kilometre Array"),
        ("SUPPLY OF â€œPPEâ€\x9d AND MENâ€™S BOOTS", "SUPPLY OF “PPE” AND MEN’S BOOTS"),
        ("SUPPLY OF â€œPPEâ€ ITEMS AT 25Â°C", "SUPPLY OF “PPE” ITEMS AT 25°C"),
        ("HOÃ‹RSKOOL", "HOËRSKOOL"),
        ("twice misread: crÃƒÂ¨che", "twice misread: crèche"),
        ("CAFÉ’S – Â and Ã and â stay", "CAFÉ’S - Â and Ã and â stay"),
        ("\uf0b7 Valid tax clearance", "• Valid tax clearance"),
        (136707, "136707"),
        (274.0, "274"),
        (1.5, "1.5"),
        ("", None),
        ("   ", None),
        ("N/A", None),
        ("n/a ", None),
        (" NO", None),
        ("None", None),
        ("NULL", None),
        ("none.", None),
        ("Not applicable.", None),
        ("TBC", None),
        ("To be confirmed.", None),
        ("-", None),
        ("–", None),
        (" - ", None),
        ("<not available>", None),
        ("<Not Available>", None),
        (None, None),
        (True, UNREADABLE),
        ([], UNREADABLE),
        ({"a": 1}, UNREADABLE),
        (float("nan"), UNREADABLE),
        (float("inf"), UNREADABLE),
    ],
)
def test_a_line_of_text(given_text: object, text: object) -> None:
    assert values.text(given_text) == text


def test_paragraphs_keep_their_lines() -> None:
    given_text = "First \r\n\r\n\r\n\r\n• Second\tpoint \rThird – end\r\n "
    assert values.paragraphs(given_text) == "First\n\n• Second point\nThird - end"
    assert values.paragraphs("N/A\r\n") is None
    assert values.paragraphs(7) == "7"
    assert values.paragraphs([]) is UNREADABLE


@pytest.mark.parametrize(
    ("given_flag", "flag"),
    [
        (True, True), (False, False), ("Yes", True), (" NO", False), ("no", False), ("true", True),
        ("FALSE ", False),
        (1, True), (0, False), ("1", True), ("0", False), (1.0, True), (None, None), ("N/A", None),
        ("", None), ("perhaps", UNREADABLE), (2, UNREADABLE), ([], UNREADABLE), ({}, UNREADABLE),
    ],
)  # fmt: skip
def test_yes_and_no(given_flag: object, flag: object) -> None:
    assert values.flag(given_flag) is flag


@pytest.mark.parametrize(
    ("given_amount", "amount"),
    [
        (0, None), (0.0, None), (-0.0, None), ("0", None), ("0.00", None), ("R0,00", None), ("N/A", None),
        (None, None), (0.001, None), (12, Decimal("12.00")), (1234.5, Decimal("1234.50")),
        (0.1, Decimal("0.10")),
        ("1234.5", Decimal("1234.50")), ("R 1 234 567,89", Decimal("1234567.89")),
        ("1,234,567.89", Decimal("1234567.89")),
        ("R1 234", Decimal("1234.00")), ("1,234", Decimal("1234.00")), ("12,5", Decimal("12.50")),
        ("ZAR 500", Decimal("500.00")), ("500 ZAR", Decimal("500.00")), ("1234.5678", Decimal("1234.57")),
        (10**14, Decimal(10**14)), (10**15, UNREADABLE), (1e300, UNREADABLE), ("9" * 400, UNREADABLE),
        (-5, UNREADABLE), ("-5", UNREADABLE), ("R50 per document", UNREADABLE), ("1.234.567", UNREADABLE),
        ("12 34", UNREADABLE), ("1e6", UNREADABLE), (True, UNREADABLE), (False, UNREADABLE), ([], UNREADABLE),
        (float("nan"), UNREADABLE), (float("inf"), UNREADABLE),
    ],
)  # fmt: skip
def test_amounts(given_amount: object, amount: object) -> None:
    assert values.amount(given_amount) == amount


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (values.identifier, "274", "274"),
        (values.identifier, 274, "274"),
        (values.identifier, "0", None),
        (values.identifier, 0, None),
        (values.identifier, "None", None),
        (values.email, " someone@example.org ", "someone@example.org"),
        (values.email, "N/A", None),
        (values.email, "<one@example.org>", "one@example.org"),
        (values.email, "one@example.org or two@example.org", "one@example.org"),
        (values.email, "one@example.org;two@example.org / three@example.org", "one@example.org"),
        (values.email, "one@example.org two", UNREADABLE),
        (values.email, "someone.example.org", UNREADABLE),
        (values.email, "a@b@c", UNREADABLE),
        (values.email, "@example.org", UNREADABLE),
        (values.email, "a b@example.org", UNREADABLE),
        (values.telephone, "011-156-6760", "011-156-6760"),
        (values.telephone, "000-000-0000", None),
        (values.telephone, "0", None),
        (values.telephone, "N/A", None),
        (values.telephone, "ask for Mpho", UNREADABLE),
        (values.telephone, 111566760, "111566760"),
        (values.url, " https://example.org/a%20b?c=d ", "https://example.org/a%20b?c=d"),
        (values.url, "HTTP://EXAMPLE.ORG", "HTTP://EXAMPLE.ORG"),
        (values.url, "N/A", None),
        (values.url, "javascript:alert(1)", UNREADABLE),
        (values.url, "https://example.org/\r\nx", UNREADABLE),
        (values.url, 5, UNREADABLE),
    ],
)
def test_ids_and_addresses(function: Any, value: object, expected: object) -> None:
    assert function(value) == expected


@pytest.mark.parametrize(
    "name", ["text", "paragraphs", "flag", "identifier", "amount", "email", "telephone", "url", "is_no_date"]
)
@given(value=ANYTHING)
def test_no_value_makes_them_raise(name: str, value: object) -> None:
    found = getattr(values, name)(value)
    if isinstance(found, str):
        assert found == found.strip()
        found.encode()


@given(
    st.text(st.characters(), max_size=40) | st.text(st.sampled_from("âÃÂ€œ™–\x9d\xa0°a \u200b"), max_size=9)
)
def test_cleaning_twice_changes_nothing(given_text: str) -> None:
    once = values.text(given_text)
    assert values.text(once) == once
    lines = values.paragraphs(given_text)
    assert values.paragraphs(lines) == lines
