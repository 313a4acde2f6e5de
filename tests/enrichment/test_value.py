"""A stated value of the contract, and none of the many other amounts in a tender's text."""

from __future__ import annotations

from decimal import Decimal

import pytest

from enrichment.value import StatedValue, stated_value


@pytest.mark.parametrize(
    ("text", "minimum", "maximum"),
    [
        ("The estimated project value is R 12 500 000.00 (incl VAT).", 12_500_000, 12_500_000),
        ("Budget: R2.5 million", 2_500_000, 2_500_000),
        ("estimated cost of R3,5 million", 3_500_000, 3_500_000),
        ("Estimated value: R750 000.00", 750_000, 750_000),
        ("total budget of R 1 250 000,00 over three years", 1_250_000, 1_250_000),
        ("The contract is valued at R45m", 45_000_000, 45_000_000),
        ("The budget for this project is limited to R1,200,000.00", None, 1_200_000),
        ("Project budget not exceeding R500 000", None, 500_000),
        ("FOR A PERIOD OF 12 MONTHS OR R1M (Million), WHICHEVER COMES FIRST AT KOEBERG", None, 1_000_000),
        ("contract value between R10 million and R20 million", 10_000_000, 20_000_000),
        ("The department has a budget of R8 500 000 for this tender", 8_500_000, 8_500_000),
        ("The project has a total budget of R 12 million", 12_000_000, 12_000_000),
        ("value ranging from R2 to R3 million", 2_000_000, 3_000_000),
        ("Estimated contract value R750 000 to R1 million", 750_000, 1_000_000),
        ("budget range R500 000 - R750 000", 500_000, 750_000),
        ("contract value not to exceed R 1 000 000 including VAT", None, 1_000_000),
        ("Project value: +/- R10 million", 10_000_000, 10_000_000),
    ],
)
def test_a_stated_value_a_ceiling_and_a_range(text: str, minimum: int | None, maximum: int) -> None:
    assert stated_value(text) == StatedValue(None if minimum is None else Decimal(minimum), Decimal(maximum))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "No amount at all",
        "A non-refundable fee of R500.00 is payable per document",
        "DOCUMENT WILL BE SOLD AT A NON-REFUNDABLE DEPOSIT OF R700-00 CASH PER SET",
        "Bank account 1452045259, branch code 145209, R50.00",
        "80/20 preference point system for tenders with a rand value up to R50 million",
        "The 90/10 system applies to bids with an estimated value above R50 000 000",
        "annual turnover of R10 million",
        "Public liability insurance with a minimum value of R5 million",
        "CIDB grading 6CE, estimated to be R13 million",
        "minimum contract value of R500 000 for similar projects",
        "For all procurement expected to exceed R10 million (all taxes included)",
        "Low Value New Household Connections (Below R3 000 000,00 per project)",
        "hourly rate estimated at R1 500 per hour",
        "30% of the value of the contract must be subcontracted",
        "NATIONAL ROUTE R58 SECTION 5, estimated cost to be advised",
        "EXTERNAL LOAN TO FINANCE THE CAPITAL BUDGET OF R80 000 000",
        "Budget: R500",
        "A bid price of R 6 000 must be paid",
        "Total Price R6 500,00 per tender document",
        "participation fee total cost R 12 000",
        "maximum amount of R 20 000 for printing costs",
        "bid security with a total amount of R500 000",
        "bids up to an estimated value of R50 million",
        "sponsorship total value of R2 million",
        "auction of vehicles, estimated value R2 million",
        "sale of land with a total price of R 1 200 000",
        "stock with an estimated value of R 10 million",
        "Bidders with a minimum total value R5 million in projects",
        "Budget: R2 million. Estimated value: R7 million",
        "Tel: 012 406 1999, budget enquiries R Smith",
        "performance guarantee to the value of R100 000",
        "The municipality's annual budget of R1.2 billion",
        "Municipal budget of R500 million for 2025/26",
        "The bidder must have executed contracts with contract value of R10 000 000 or more",
        "Bidders must submit proof of projects with total project value of R5 000 000",
        "Contractors with contract value of R10 million and above",
        "submit appointment letters with a total value of R5 million",
        "Letters of award for road construction projects valued at R10 million",
        "combined total contract value of R 15 000 000.00 in the last five years",
        "The bidder's largest contract value R 5 million",
        "letter of good standing and a credit facility for project value R 10 000 000",
        "Purchase orders with total value of R500 000",
        "Budget of R1 000 000.00 p/a",
        "The budget is R500 000 per financial year",
        "estimated price R 450 000 / month",
        "Minimum bid amount of R 250 000",
        "The property is valued at R 2 500 000",
        "Replacement value estimated at R15 million",
        "Debt book total value of R120 million",
        "Estimated value R12 345 67",
        "The department has a total budget of R 25 billion",
        "Contract value of R2 million - R5 million = 10 points",
        "Tenderers who have done works with a total value of R4 million",
        "Total expenditure R 3.4 billion in 2024",
        "Investment portfolio valued at R1.2 billion",
        "Losses estimated at R4 million",
        "Land valued at R 1 000 000",
        "vouchers to the value of R 50 000",
        "Consulting engineers for a project with an estimated construction cost of R80 million",
    ],
)
def test_fees_thresholds_insurances_and_the_like_are_no_value(text: str | None) -> None:
    assert stated_value(text) is None
