"""AWS's list prices, as `prices.toml` has them: one region, one date, each price with AWS's page."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Price:
    """US dollars for one `unit` of what is paid for; `is_about` if it was not read from AWS's own page."""

    what: str
    dollars: float
    unit: str
    page: str
    is_about: bool


_FILE = tomllib.loads(resources.files(__package__).joinpath("prices.toml").read_text(encoding="utf-8"))

REGION: str = _FILE["region"]
DATE: str = _FILE["date"].isoformat()
SPOT_DISCOUNT: int = _FILE["spot_discount"]["percent"]
"""The largest discount of Fargate Spot in percent. Spot prices change with supply and demand."""
SPOT_PAGE: str = _FILE["spot_discount"]["page"]

PRICES: Mapping[str, Price] = {
    name: Price(entry["what"], entry["dollars"], entry["unit"], entry["page"], entry.get("about", False))
    for name, entry in _FILE.items()
    if isinstance(entry, dict) and "dollars" in entry
}
"""Each price by its name."""

SOURCE = f"AWS list prices, {REGION}, {DATE}, without free tiers; other regions and taxes differ"


def dollars(name: str, amount: float = 1.0) -> float:
    """What so many units cost; of prices by the million, `amount` is a number of pieces."""
    price = PRICES[name]
    return price.dollars * amount / (1_000_000 if price.unit.startswith("million") else 1)
