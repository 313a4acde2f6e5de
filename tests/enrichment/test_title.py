"""Titles that read well: no number in front, no standing phrases, sentence case with its acronyms and names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from enrichment.title import display_title
from tests.enrichment.captures import rows


@pytest.mark.parametrize(
    ("description", "number", "title"),
    [
        (
            "TBH 303/2022R: MULTI-SUPPLIER BID FOR THE SUPPLY AND DELIVERY OF FROZEN CHICKEN PRODUCTS",
            "TBH 303/2022R",
            "Multi-supplier bid for the supply and delivery of frozen chicken products",
        ),
        ("INSTALLATION OF CCTV AT SARS OFFICES IN KZN", "X1", "Installation of CCTV at SARS offices in KZN"),
        ("REQUEST FOR BIDS FOR PROVISION OF GSM SERVICES", "2483S", "Provision of GSM services"),
        ("RFP – ESTABLISHMENT OF A PANEL OF IT SPECIALISTS", "A/1", "Panel of IT specialists"),
        (
            "APPOINTMENT OF A SERVICE PROVIDER TO RENDER CLEANING SERVICES FOR A PERIOD OF 36 MONTHS AT POLOKWANE",
            "Q",
            "Cleaning services at Polokwane",
        ),
        ("Supply of merSETA branded items", None, "Supply of merSETA branded items"),
        ("SUPPLY OF HDPE PIPES AND uPVC FITTINGS", None, "Supply of HDPE pipes and uPVC fittings"),
        ("SUPPLY OF UPVC FITTINGS", None, "Supply of uPVC fittings"),
        ("UPGRADING OF BOTRIVIER WATER WORKS PHASE 1 A", "ENG", "Upgrading of Botrivier water works Phase 1 A"),
        ("CONSTRUCTION OF NEW CLIFFDALE SECONDARY SCHOOL", "Z", "Construction of new Cliffdale Secondary School"),
        ("supply of paper", "RFQ 1", "Supply of paper"),
        ("THE FUND WISHES TO APPOINT A SERVICE PROVIDER TO MAINTAIN LIFTS", None, "Maintain lifts"),
        ("Eskom invites for Expression of Interest (EOI or RFI) for the repair of dams", None, "Repair of dams"),
        ("THE FUND HEREBY INVITES EXPERIENCED SERVICE PROVIDERS TO PROVIDE RENTAL OF PCS", None, "Rental of PCs"),
        ("The Agency invites suitable bidders to submit quotes for the supply of fences", None, "Supply of fences"),
        ("SUPPLY (AS AND WHEN REQUIRED) OF SWITCHES (RE-ADVERT)", None, "Supply of switches"),
        ("CONTRACT SANRAL N.009-843-7621/5 : FOR THE RESURFACING OF ROUTE 9", "N.1", "Resurfacing of route 9"),
        ("PRISON :24 BEDS FOR PROVIDER(S) AND SMMEs", None, "Prison: 24 beds for provider(s) and SMMEs"),
        ("CONSULTANTS FOR INEP PROJECTS", None, "Consultants for INEP projects"),
        ("LEASE OF ECD CENTRE IN KHEKHUTINI NEAR STEINDORP", None, "Lease of ECD centre in Khekhutini near Steindorp"),
        ("APPOINTMENT OF SERVICE PROVIDER TO SUPPLY AND DELIVER SEEDS", "R", "Supply and deliver seeds"),
        ("SUPPLY OF TUG BOATS FOR TNPA, PORT OF NGQURA", "R", "Supply of tug boats for TNPA, Port of Ngqura"),
        ("BOREHOLES AT GA-MPHAHLELE AND HA-MUTSHA", "R", "Boreholes at Ga-Mphahlele and Ha-Mutsha"),
        ("NEW OFFICES FOR LETABA TVET COLLEGE", "R", "New offices for Letaba TVET College"),
        ("PANEL OF SERVICE PROVIDER/S FOR CLEANING", "R", "Panel of service provider/s for cleaning"),
        ("SUPPLY OF 3-PLY MASKS AND A 5-YEAR LEASE", "R", "Supply of 3-ply masks and a 5-year lease"),
        ("AUDIT BY THE NATIONAL ARTISAN BODY (NAB)", "R", "Audit by the national artisan body (NAB)"),
        ("SUPPLY OF A HEALTH INFORMATION SYSTEM (HIS)", "R", "Supply of a health information system (HIS)"),
        ("VERSKAFFING VAN MEUBELS VIR ’N SKOOL", "R", "Verskaffing van meubels vir ’n skool"),
        ("APPOINTMENT OF A SERVICE PROVIDER FOR A PERIOD OF THREE (3) YEARS TO CLEAN OFFICES", "R", "Clean offices"),
        ("APPOINTMENT OF A PANEL OF SERVICE PROVIDERS FOR A PERIOD OF 3 YEARS", "R", "Panel of service providers"),
        ("[RE-ADVERT] SUPPLY OF FURNITURE", "R", "Supply of furniture"),
        ("MASTER PADLOCKS FOR THREE (3) YEARS BASED ON AN AS AND WHEN REQUIRED BASIS", "R", "Master padlocks"),
        ("BANKING SERVICES FOR THE FOR THE PERIOD NOT EXCEEDING FIVE (5) YEARS", "R", "Banking services"),
        ("BID 5 OF 2025/26: SUPPLY OF FURNITURE", "R", "Supply of furniture"),
        ("Tenders are hereby invited for: Supply of furniture", "R", "Supply of furniture"),
        ("INVITATION TO BID TO BE IN A PANEL OF LAWYERS", "R", "Invitation to bid to be in a panel of lawyers"),
        ("PERSAL TRAINING AND PURCHASE OF A JOHN DEERE", "R", "PERSAL training and purchase of a John Deere"),
        (None, "RFQ 12/2022", "RFQ 12/2022"),
        ("   ", "RFQ 12/2022", "RFQ 12/2022"),
    ],
)  # fmt: skip
def test_a_title_is_what_a_person_would_call_it(
    description: str | None, number: str | None, title: str
) -> None:
    assert display_title(description, number) == title


def test_a_tender_that_says_nothing_has_no_title() -> None:
    assert display_title(None, None) is None
    assert display_title("", None) is None


def test_every_captured_title_is_short_and_readable() -> None:
    for row in rows():
        title = display_title(row.description, row.tender_number)
        assert title
        assert len(title) <= 80
        assert title == " ".join(title.split())
        letters = [letter for letter in title if letter.isalpha()]
        if len(title) > 40:
            assert sum(map(str.isupper, letters)) / len(letters) < 0.7, title


def test_a_long_text_ends_at_a_word() -> None:
    title = display_title("Supply " + "and delivery of pipes " * 20, None)
    assert title is not None
    assert title.endswith("…")
    assert title.removesuffix("…").split()[-1] in {"Supply", "delivery", "pipes"}


def test_titles_are_the_same_in_every_process() -> None:
    program = (
        "from enrichment.gazetteer import gazetteer; from enrichment.title import display_title\n"
        "places = gazetteer(); names = [*places.towns, *places.municipalities, *places.suburbs]\n"
        "print([display_title(f'ROAD MARKING IN {name.upper()}', None) for name in names])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
