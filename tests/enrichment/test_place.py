"""Towns and districts out of delivery addresses: the town, never a suburb or a building, and nothing by guessing."""

from __future__ import annotations

import pytest

from enrichment.gazetteer import gazetteer
from enrichment.place import Place, address_of, place_of
from enrichment.province import NATIONAL, PROVINCES


def place(address: str | None, province: str | None = NATIONAL, buyer: str | None = None) -> Place:
    return place_of(None, address, province, buyer)


def parts(street: str, suburb: str | None, town: str | None, province: str | None = NATIONAL) -> Place:
    return place_of((street, suburb, town), None, province, None)


@pytest.mark.parametrize(
    ("address", "province", "city", "district"),
    [
        ("17 Trevenna Street - Sunnyside - Pretoria - 0002", "Gauteng", "Pretoria", "City of Tshwane"),
        ("1 Raikes Road - BRAAMFONTEIN - BRAAMFONTEIN - 2001", "Gauteng", "Johannesburg", "City of Johannesburg"),
        ("30 Brown Street - Nedbank building - Nelspruit - 1200", "Mpumalanga", "Mbombela", "Ehlanzeni"),
        ("Oatlands Farm - Nositha Location - Margate - 4278", "KwaZulu-Natal", "Margate", "Ugu"),
        ("12 Hertzog Boulevard, Cape Town - 8001", "Western Cape", "Cape Town", "City of Cape Town"),
        ("02 Kingfisher road-Mandeni-Mandeni-4490", "KwaZulu-Natal", "Mandeni", "iLembe"),
        ("19 Woeke St - Graaf -Reinet - Graaf -Reinet - 0628", "Eastern Cape", "Graaff-Reinet", "Sarah Baartman"),
        ("Main Street - CBD - PIETERMARTZBURG - 3201", "KwaZulu-Natal", "Pietermaritzburg", "uMgungundlovu"),
        ("Alma Road - Welkom - Free State - 9459", "Free State", "Welkom", "Lejweleputswa"),
        ("Balfour Road - Balfour - Mpumalanga - 2410", NATIONAL, "Balfour", "Gert Sibande"),
        ("Terminal 1 - Kempton Park - Johannesburg - 1632", "Gauteng", "Kempton Park", "Ekurhuleni"),
        ("Green Street - Central - Port Elizabeth (Gqeberha) - 6000", "Eastern Cape", "Gqeberha", "Nelson Mandela Bay"),
        ("Deneysville Road - Viljoensdrift - Vereeniging - 1930", "Free State", "Viljoensdrif", "Fezile Dabi"),
        ("1 Main Street - Durban - Durban and surrounding areas - 4001", "KwaZulu-Natal", "Durban", "eThekwini"),
        ("1 Main Street - Mthatha - Mthatha / KSD - 5099", "Eastern Cape", "Mthatha", "OR Tambo"),
        ("2 Long Street - Qonce - King William's Town - 5600", "Eastern Cape", "Qonce", "Buffalo City"),
    ],
)  # fmt: skip
def test_the_town_of_an_address_with_its_district(
    address: str, province: str, city: str, district: str
) -> None:
    assert place(address, province) == Place(city, district)


@pytest.mark.parametrize(
    ("province", "district"), [("Mpumalanga", "Nkangala"), ("Eastern Cape", "Chris Hani"), ("Gauteng", None)]
)
def test_towns_of_one_name_are_told_apart_by_their_province_or_not_at_all(
    province: str, district: str | None
) -> None:
    assert place("1 Main Street - Middelburg - Middelburg - 1050", province).district == district


@pytest.mark.parametrize(
    "address",
    [
        None,
        "Various - Various - Various - 0000",
        "N/A - N/A - N/A - 0000",
        "Suite 302 - Sydney NSW 2000 - Sydney NSW 2000 - 2000",
        "117 York Street - Durban Road - Pretoria Avenue - 2000",
        "Leeuwkop VHF Site - Leeuwkop VHF Site - Leeuwkop VHF Site - 9835",
        "Three ports - Durban, Cape Town - Durban, Cape Town, Port Elizabeth - 6001",
        "Two ports - Ngqura and Cape Town - Ngqura and Cape Town - 6100",
        "KZN Railway Lines - Kwazulu Natal - KZN - 3000",
        "George Bush Building - Hope House - Point Tower - 1234",
    ],
)
def test_an_address_without_one_certain_town_gives_none(address: str | None) -> None:
    assert place(address).city is None


@pytest.mark.parametrize(
    ("address", "buyer", "district"),
    [
        ("Overstrand - Overstrand - Overstrand - 7200", None, "Overberg"),
        (None, "Umkhanyakude District Municipality", "uMkhanyakude"),
        (None, "City of Cape Town", "City of Cape Town"),
        (None, "Dr Pixley Ka Isaka Seme Local Municipality", "Gert Sibande"),
        ("Harry Gwala, Ugu and Alfred Nzo - N2 - Eastern Cape - 4000", None, None),
        (None, "Emalahleni Local Municipality", None),
    ],
)
def test_a_municipality_gives_the_district_but_no_town(
    address: str | None, buyer: str | None, district: str | None
) -> None:
    assert place(address, NATIONAL, buyer) == Place(None, district)


def test_the_two_emalahlenis_are_told_apart_by_the_province() -> None:
    assert place("Emalahleni", "Mpumalanga") == Place("eMalahleni", "Nkangala")
    assert place("Emalahleni", "Eastern Cape") == Place(None, "Chris Hani")
    assert place("Indwe Road - Lady Frere - Emalahleni - 5410", "Eastern Cape").city == "Lady Frere"


def test_a_name_of_daily_use_is_no_town_of_another_province() -> None:
    assert place("Rietfontein", "Limpopo").city is None
    assert place("Rietfontein", "Northern Cape") == Place("Rietfontein", "ZF Mgcawu")


def test_a_power_station_is_no_town_but_in_one() -> None:
    assert place("Power Station - Medupi - Medupi - 0555", "Limpopo") == Place("Lephalale", "Waterberg")
    assert place("Medupi Power Station", "Limpopo").city is None
    assert place("Tutuka - Tutuka - 2430", "Mpumalanga") == Place("Standerton", "Gert Sibande")


def test_separate_parts_are_read_from_the_town_outwards() -> None:
    assert parts("1 Bosman Street", None, "BULTFONTEIN", "Free State") == Place(
        "Bultfontein", "Lejweleputswa"
    )
    assert parts("OR Tambo", "Kempton Park", "Gauteng", "Gauteng") == Place("Kempton Park", "Ekurhuleni")
    assert parts("Corner Market Street", "Krugersdorp", "Mogale-City", "Gauteng") == Place(
        "Krugersdorp", "West Rand"
    )
    assert parts("N/A", None, "AS PER TECHNICAL SPECIFICATION").city is None


@pytest.mark.parametrize(
    "text", ["N/A - N/A - N/A - 0000", "None-None-None-0", " - ", "Not applicable, n/a - 0000"]
)
def test_an_address_of_placeholders_is_no_address(text: str) -> None:
    assert address_of(text) is None


def test_an_address_with_one_real_part_is_kept_as_it_is() -> None:
    assert address_of("N/A - Mthatha - 5099") == "N/A - Mthatha - 5099"


def test_the_gazetteer_covers_every_province_and_district() -> None:
    towns = {town for entries in gazetteer().towns.values() for town in entries}
    assert {town.province for town in towns} == set(PROVINCES) - {NATIONAL}
    assert len({town.district for town in towns}) == 44 + 8
    assert len({town.municipality for town in towns}) >= 205
    assert len({(town.place, town.municipality) for town in towns}) >= 800
