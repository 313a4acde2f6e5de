"""Meetings out of free text: whole links and certain ids, or nothing."""

from __future__ import annotations

import pytest

from enrichment.briefing import NOWHERE, Meeting, meeting_of

TEAMS = (
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_NWRj%40thread.v2/0"
    "?context=%7b%22Tid%22%3a%22ab%22%2c%22Oid%22%3a%22cd%22%7d"
)


@pytest.mark.parametrize(
    "url",
    [
        TEAMS,
        "https://teams.microsoft.com/meet/35290572626?p=tLKure",
        "https://zoom.us/j/99824824821?pwd=K1VlR2dY",
        "https://tourism.zoom.us/j/95003244240",
        "https://meet.google.com/abc-defg-hij",
        "https://meet.capetown.gov.za/some.body/H4WCTL8R?sl=1",
    ],
)
def test_a_whole_link_is_found_wherever_it_stands(url: str) -> None:
    assert meeting_of(f"Virtual meeting: {url}.", None).link == url
    assert meeting_of("Microsoft Teams", f"Join the briefing at {url} on Monday").link == url


def test_a_short_link_counts_where_it_is_the_venue() -> None:
    assert meeting_of("https://bit.ly/3F4fNZN", None).link == "https://bit.ly/3F4fNZN"
    assert meeting_of("Virtual briefing link: https://bit.ly/3gdnjr0", None).link == "https://bit.ly/3gdnjr0"
    assert meeting_of(None, "Documents: https://bit.ly/3gdnjr0").link is None


@pytest.mark.parametrize(
    "venue",
    [
        ("https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + "N" * 80)[:100],
        "https://teams.microsoft.com/l/meetup- join/19:meeting_ZjgxNTBjYjgtMjZjNi00NDYz",
        ("Online " * 9 + "https://zoom.us/j/99824824821?pwd=" + "K" * 40)[:100],
        "https://www.nra.co.za/sanral-tenders/status?region_id=national",
        "https://meet.capetown.gov.za/some.body/K J79YBBC",
        "Municipal Offices, Board Room",
        "Link on the tender document",
        "HTTPS://BIT.LY/3F4FNZN",
    ],
)
def test_a_link_that_was_cut_or_leads_elsewhere_is_no_link(venue: str) -> None:
    assert meeting_of(venue, None) == NOWHERE


@pytest.mark.parametrize(
    ("text", "number", "passcode"),
    [
        ("Meeting ID: 352 905 726 269 ; Passcode: tLKure  ", "352905726269", "tLKure"),
        ("MS TEAMS MEETING ID: 330 849 958 228  PASSCODE: 9XCifo", "330849958228", "9XCifo"),
        ("MS Teams ID 338 123 456 789, Code: Zx8Kq2", "338123456789", "Zx8Kq2"),
        ("ID: 334 555 777 888 Passcode: QW3rty", "334555777888", "QW3rty"),
        ("Zoom ID: 6250381037 Zoom Passcode: 2468", "6250381037", "2468"),
        ("ZOOM: ID is 88323710283 \t:Passcode is 011800", "88323710283", "011800"),
        ("Skype: Conference ID: 39455838", "39455838", None),
        ("Meeting ID: 352 905 726 269. The passcode will be sent", "352905726269", None),
        ("Meeting number (access code): 2731 234 5678 Meeting password: abCD12", "27312345678", "abCD12"),
        ("Meeting ID: 352 905 726 269 10:00", "352905726269", None),
        ("Meeting ID: 352 905 726 269 - 10h00", "352905726269", None),
        ("Meeting ID: 352 905 726 269 9 am", "352905726269", None),
        ("Meeting ID: 352 905 726 269 14 October 2025", "352905726269", None),
        ("Meeting ID: 352 905 726 269 Passcode: available on request", "352905726269", None),
        ("Meeting ID: 352 905 726 269. Tender document password: Tend3r", "352905726269", None),
        ("Meeting ID: 352 905 726 269 Tel 012 406 1999 Code: 0157", "352905726269", None),
    ],
)
def test_meeting_id_and_passcode_are_read(text: str, number: str, passcode: str | None) -> None:
    assert meeting_of(text, None) == Meeting(None, number, passcode)


def test_numbers_that_are_no_meeting_are_left_alone() -> None:
    assert meeting_of("Room 352, 905 Main Road, tel 012 406 1999", "Password: secret1") == NOWHERE
    assert meeting_of("Meeting ID 012 406 1999", None) == NOWHERE
    assert meeting_of("Meeting ID: 352 905 726 269 012 406 1999", None) == NOWHERE


def test_links_carry_their_meetings_id() -> None:
    zoom, teams = (
        "https://zoom.us/j/99824824821?pwd=K1Vl",
        "https://teams.microsoft.com/meet/35290572626?p=tLKure",
    )
    assert meeting_of(zoom, None) == Meeting(zoom, "99824824821", None)
    assert meeting_of(teams, None) == Meeting(teams, "35290572626", "tLKure")
