"""Kinds of organs of state: by the portal's id, by name, and by the words of names never seen."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files

import pytest

from enrichment.data import read_data
from enrichment.organ import buyer_id_of, organ_of
from enrichment.organ_types import (
    CONSTITUTIONAL,
    DISTRICT,
    EDUCATION,
    LEGISLATURE,
    LOCAL,
    METRO,
    MUNICIPAL_ENTITY,
    NATIONAL_DEPARTMENT,
    OTHER,
    PROVINCIAL_DEPARTMENT,
    PUBLIC_ENTITY,
    SETA,
    STATE_OWNED,
    TYPES,
)
from tests.enrichment.captures import NEW_ROWS, OLD_ROWS

VOCABULARY = json.loads((files("app.replay") / "data" / "filter_options.json").read_bytes())
DEPARTMENTS = {entry["value"]: entry["label"] for entry in VOCABULARY["departments"]}


def kind(name: str | None, number: str | None = None) -> str | None:
    organ = organ_of(number, name)
    return organ.type if organ else None


def test_every_department_of_the_portal_has_a_kind_of_the_vocabulary() -> None:
    table = json.loads(read_data("organs.json"))["departments"]
    assert table.keys() == DEPARTMENTS.keys()
    assert len(table) == 877
    assert {type_ for _, type_ in table.values()} == set(TYPES)
    assert sorted(name for name, type_ in table.values() if type_ == OTHER) == [
        "National Bargaining Council Road Freight and Logistics Industry",
        "Purchasing Consortium Southern Africa (PURCOSA)",
        "THE MVULA TRUST",
    ]


def test_the_counts_that_are_known_from_elsewhere() -> None:
    counts = Counter(kind(None, number) for number in DEPARTMENTS)
    assert counts[METRO] == 8
    assert counts[CONSTITUTIONAL] == 9
    assert 44 <= counts[DISTRICT] <= 47  # 44 districts, some of them listed under an old name as well
    assert 200 <= counts[LOCAL] <= 206


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("167", STATE_OWNED),
        ("59", METRO),
        ("458", PUBLIC_ENTITY),
        ("274", MUNICIPAL_ENTITY),
        ("823", EDUCATION),
        ("320", PROVINCIAL_DEPARTMENT),
        ("555", NATIONAL_DEPARTMENT),
        ("402", SETA),
        ("533", LEGISLATURE),
        ("153", CONSTITUTIONAL),
    ],
)
def test_the_id_decides_whatever_the_name_says(number: str, expected: str) -> None:
    assert kind("Some Local Municipality", number) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mdantsane Local Municipality", LOCAL),
        ("Winnie Madikizela-Mandela - EC Local Municipality", LOCAL),
        ("Nowhere Distrct Munucipality", DISTRICT),
        ("City of Johannesburg Metropolitan Municipality", METRO),
        ("eThekwini Municipality", METRO),
        ("National - Science and Innovation", NATIONAL_DEPARTMENT),
        ("National Science and Innovation", NATIONAL_DEPARTMENT),
        ("Department of Forestry", NATIONAL_DEPARTMENT),
        ("Limpopo - Department of Roads", PROVINCIAL_DEPARTMENT),
        ("KwaZulu-Natal Department of Health", PROVINCIAL_DEPARTMENT),
        ("Groote Schuur Hospital", PROVINCIAL_DEPARTMENT),
        ("Gauteng Office of the Premier", PROVINCIAL_DEPARTMENT),
        ("Mpumalanga Provincial Legislature", LEGISLATURE),
        ("Coastal KZN TVET College", EDUCATION),
        ("Durban University of Technology", EDUCATION),
        ("Wine Industry Sector Education and Training Authority", SETA),
        ("Vaal Central Water Board", STATE_OWNED),
        ("Nkomazi Special Economic Zone SOC Ltd", STATE_OWNED),
        ("Johannesburg Fresh Produce Market (SOC) Ltd", MUNICIPAL_ENTITY),
        ("Chris Hani Development Agency", MUNICIPAL_ENTITY),
        ("National Agency for Seeds", PUBLIC_ENTITY),
        ("South African Council for Planners", PUBLIC_ENTITY),
        ("Commission for Gender Equality", CONSTITUTIONAL),
        ("Jabulani Traders Guild", OTHER),
        ("Correctional Services - Regional Commissioner Gauteng", NATIONAL_DEPARTMENT),
        ("Office of the Provincial Commissioner: Police Service", NATIONAL_DEPARTMENT),
        ("Office of the Military Commissioner", PUBLIC_ENTITY),
        ("Sedibeng District Health Services", PROVINCIAL_DEPARTMENT),
        ("Gauteng College of Emergency Medical Services", PROVINCIAL_DEPARTMENT),
        ("Provincial Pharmaceutical Supply Depot", PROVINCIAL_DEPARTMENT),
        ("Ntuzuma Special School", PROVINCIAL_DEPARTMENT),
        ("Makhanda Forensic Mortuary", PROVINCIAL_DEPARTMENT),
        ("LEDET", PROVINCIAL_DEPARTMENT),
        ("eThekwini Electricity", METRO),
        ("BCMM", METRO),
        ("NMMDM", DISTRICT),
        ("Greater Sekhukhune", DISTRICT),
        ("Inkosi uMtubatuba", LOCAL),
        ("Johannes Phumani Phungula", LOCAL),
        ("Johannesburg City Parks", MUNICIPAL_ENTITY),
        ("JPC", MUNICIPAL_ENTITY),
        ("National Electricity Distribution Company", STATE_OWNED),
        ("Land and Agricultural Bank of South Africa", STATE_OWNED),
        ("Bushbuckridge Water", STATE_OWNED),
        ("PPECB", PUBLIC_ENTITY),
        ("SEFA", STATE_OWNED),
        ("SEDFA", PUBLIC_ENTITY),
        ("Roads Agency Limpopo SOC Ltd", PUBLIC_ENTITY),
        ("Vaal-Orange CMA", PUBLIC_ENTITY),
        ("C-BRTA", PUBLIC_ENTITY),
        ("Heritage Western Cape", PUBLIC_ENTITY),
        ("ETDPSETA", SETA),
        ("KZN CETC", EDUCATION),
        ("UNIVEN", EDUCATION),
        ("WCPP", LEGISLATURE),
        ("MDB", CONSTITUTIONAL),
        ("1 Military Hospital", NATIONAL_DEPARTMENT),
        ("Cedara College of Agriculture", PROVINCIAL_DEPARTMENT),
        ("Gauteng College of Nursing", PROVINCIAL_DEPARTMENT),
        ("Hillbrow CHC", PROVINCIAL_DEPARTMENT),
        ("Tourism KwaZulu-Natal", PUBLIC_ENTITY),
        ("Trade & Investment KZN", PUBLIC_ENTITY),
        ("NRCS", PUBLIC_ENTITY),
        ("Umgeni-uThukela Water", STATE_OWNED),
        ("Export Credit Insurance Corporation", STATE_OWNED),
        ("ICC Durban", MUNICIPAL_ENTITY),
        ("Germiston Phase II Housing Company", MUNICIPAL_ENTITY),
        ("South African Local Government Bargaining Council", OTHER),
    ],
)
def test_an_unknown_buyer_is_classified_by_the_words_of_its_name(name: str, expected: str) -> None:
    assert kind(name, "99999") == expected


def test_only_municipalities_and_departments_have_a_level() -> None:
    metro, district, local = organ_of("59", None), organ_of("14", None), organ_of("1", None)
    national, provincial, other = organ_of("473", None), organ_of("135", None), organ_of("167", None)
    assert metro is not None
    assert district is not None
    assert local is not None
    assert national is not None
    assert provincial is not None
    assert other is not None
    assert [organ.municipality_type for organ in (metro, district, local, national)] == [
        "Metropolitan",
        "District",
        "Local",
        None,
    ]
    assert [organ.department_level for organ in (national, provincial, local)] == [
        "National",
        "Provincial",
        None,
    ]
    assert (other.municipality_type, other.department_level) == (None, None)


def test_a_buyer_that_nobody_names_has_no_kind() -> None:
    assert organ_of(None, None) is None
    assert organ_of("99999", None) is None


def test_names_find_their_id_whatever_their_blanks_and_dashes() -> None:
    found = [buyer_id_of(row["department"]) for row in OLD_ROWS]
    assert sum(number is None for number in found) / len(found) < 0.01
    assert buyer_id_of("ESKOM ") == "167"
    assert buyer_id_of("Nobody") is None
    pairs = [(buyer_id_of(row["department"]), str(row["departmentsID"])) for row in NEW_ROWS]
    assert sum(mine == given for mine, given in pairs) / len(pairs) > 0.97
    assert [pair for pair in pairs if pair[0] not in (None, pair[1])] == []
