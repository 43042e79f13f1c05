"""Units of measure: what one unit is worth in another of its kind."""

from __future__ import annotations

_KINDS: tuple[dict[str, float], ...] = (
    {  # mass, in kilograms
        "kg": 1.0, "kilo": 1.0, "kilogram": 1.0, "kilograms": 1.0, "g": 1e-3, "gram": 1e-3, "grams": 1e-3, "mg": 1e-6,
        "t": 1e3, "tonne": 1e3, "tonnes": 1e3, "lb": 0.45359237, "lbs": 0.45359237, "pound": 0.45359237,
        "pounds": 0.45359237, "oz": 0.028349523125, "ounce": 0.028349523125, "ounces": 0.028349523125,
    },
    {  # volume, in litres
        "l": 1.0, "litre": 1.0, "litres": 1.0, "liter": 1.0, "liters": 1.0, "ml": 1e-3, "cl": 1e-2, "dl": 1e-1,
        "m3": 1e3, "m³": 1e3, "gal": 3.785411784, "gallon": 3.785411784, "gallons": 3.785411784,
        "fl oz": 0.0295735295625, "fl. oz": 0.0295735295625, "floz": 0.0295735295625,
    },
    {  # length, in metres
        "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1e3, "kilometres": 1e3,
        "kilometers": 1e3, "cm": 1e-2, "mm": 1e-3, "in": 0.0254, "inch": 0.0254, "inches": 0.0254, '"': 0.0254,
        "ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "yd": 0.9144, "yard": 0.9144, "yards": 0.9144,
        "mi": 1609.344, "mile": 1609.344, "miles": 1609.344,
    },
    {  # time, in seconds
        "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "min": 60.0, "minute": 60.0, "minutes": 60.0,
        "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0,
        "days": 86400.0, "week": 604800.0, "weeks": 604800.0,
    },
    {  # shares of one
        "1": 1.0, "fraction": 1.0, "share": 1.0, "%": 1e-2, "percent": 1e-2, "pct": 1e-2, "‰": 1e-3,
    },
)  # fmt: skip
_CELSIUS = {  # a degree and a zero point: value * degree + zero
    "c": (1.0, 0.0), "°c": (1.0, 0.0), "celsius": (1.0, 0.0), "k": (1.0, -273.15), "kelvin": (1.0, -273.15),
    "f": (5 / 9, -160 / 9), "°f": (5 / 9, -160 / 9), "fahrenheit": (5 / 9, -160 / 9),
}  # fmt: skip
_TEMPERATURES = ("°c", "°f", "celsius", "fahrenheit", "kelvin")


def folded(unit: str) -> str:
    """A unit as it is looked up: case, surrounding blanks and a closing dot do not count."""
    return unit.strip().rstrip(".").casefold()


def conversions(unit: str) -> dict[str, tuple[float, float]]:
    """What values in other units must be multiplied by, and what must then be added, to be in *unit*.

    A unit that is not known (a currency, a thing that is counted) converts only from itself.

    >>> conversions("g")["kg"]
    (1000.0, 0.0)
    >>> conversions("bottles")
    {'bottles': (1.0, 0.0)}
    """
    wanted = folded(unit)
    if wanted in _TEMPERATURES:
        degree, zero = _CELSIUS[wanted]
        return {name: (there / degree, (offset - zero) / degree) for name, (there, offset) in _CELSIUS.items()}
    for kind in _KINDS:
        if wanted in kind:
            return {name: (_ratio(worth, kind[wanted]), 0.0) for name, worth in kind.items()}
    return {wanted: (1.0, 0.0)}


def _ratio(worth: float, wanted: float) -> float:
    return 1.0 if worth == wanted else round(worth / wanted, 12)
