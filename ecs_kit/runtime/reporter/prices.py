"""AWS's list prices, as `prices.toml` has them: of one region, each with AWS's page and the date it was read."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Price:
    """US dollars for one `unit` of what is paid for, on `page` on the date `read`; `is_about` if read elsewhere."""

    what: str
    dollars: float
    unit: str
    page: str
    read: str
    is_about: bool


_FILE = tomllib.loads(resources.files(__package__).joinpath("prices.toml").read_text(encoding="utf-8"))

REGION: str = _FILE["region"]
SPOT_DISCOUNT: int = _FILE["spot_discount"]["percent"]
"""The largest discount of Fargate Spot in percent. Spot prices change with supply and demand."""
SPOT_PAGE: str = _FILE["spot_discount"]["page"]
SPOT_READ = str(_FILE["spot_discount"]["read"])

PRICES: Mapping[str, Price] = {
    name: Price(
        what=entry["what"],
        dollars=entry["dollars"],
        unit=entry["unit"],
        page=entry["page"],
        read=str(entry["read"]),
        is_about=entry.get("about", False),
    )
    for name, entry in _FILE.items()
    if isinstance(entry, dict) and "dollars" in entry
}
"""Each price by its name."""

DATES = (min(price.read for price in PRICES.values()), max(price.read for price in PRICES.values()))
"""When the oldest and the newest of them were read."""

SOURCE = f"AWS list prices, {REGION}, read {DATES[0]} to {DATES[1]}, without free tiers; other regions and taxes differ"


def dollars(name: str, amount: float = 1.0) -> float:
    """What so many units cost; of prices by the million, `amount` is a number of pieces."""
    price = PRICES[name]
    return price.dollars * amount / (1_000_000 if price.unit.startswith("million") else 1)
