"""Units of measure behind a number, in the case that their standards give them."""

import re

_UNITS = (
    "kV", "V", "kVA", "MVA", "kW", "MW", "kWh", "MWh", "kWp", "A", "mA", "W", "kA", "Hz", "kHz", "MHz", "GHz",
    "mm", "cm", "m", "km", "mm²", "cm²", "m²", "km²", "m³", "kg", "g", "mg", "t", "ha", "ml", "kl", "GB", "TB", "MB",
    "kPa", "MPa", "bar", "ppm", "gsm", "dB", "rpm", "Nm",
)  # fmt: skip
_SPELLINGS = {unit.lower().replace("²", "2").replace("³", "3"): unit for unit in _UNITS}
_MEASURE = re.compile(r"(?P<number>\d[\d.,]*(?:[x/×-]\d[\d.,]*)*)(?P<unit>[a-zA-Z]{1,3}[23²³]?)", re.ASCII)
_FEWEST_MILLILITRES = 50
_NUMBER = re.compile(r"\d+")


def measure(word: str) -> str | None:
    """``word`` with its unit spelled as it should be ("11KV" is 11kV, "20M3" 20m³), or None where it is no measure.

    "10ML" stays: below 50 it is as likely megalitres.
    """
    match = _MEASURE.fullmatch(word)
    if not match:
        return None
    unit = match["unit"].lower().replace("²", "2").replace("³", "3")
    if unit not in _SPELLINGS:
        return None
    if unit == "ml":
        amount = _NUMBER.match(match["number"])
        if amount is None or int(amount[0]) < _FEWEST_MILLILITRES:
            return word
    return f"{match['number']}{_SPELLINGS[unit]}"
