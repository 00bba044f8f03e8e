"""Write the configuration's keys into `Pulumi.yaml` and the README: `python -m tools.config_pages`.

`KitConfig` alone declares keys, types, defaults and ranges.
"""

import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

from ecs_kit.components.config import declarations
from ecs_kit.components.keys import Key

ROOT = Path(__file__).resolve().parents[1]
_TABLE = re.compile(r"\| key \| type \| default \| .*?\n(?=\n|\Z)", re.DOTALL)


def pulumi_yaml(text: str) -> str:
    """Return `Pulumi.yaml` with the section `config` as the code declares it; it is the last one."""
    head, _, _ = text.partition("\nconfig:\n")
    return head + "\nconfig:\n" + "".join(map(_yaml, declarations()))


def readme(text: str) -> str:
    """Return the README with the table of keys as the code declares it."""
    rows = "".join(f"| `{key.name}` | {key.type} | {_default(key)} | {key.description} |\n" for key in declarations())
    table = f"| key | type | default | what it is |\n|---|---|---|---|\n{rows}"
    new, found = _TABLE.subn(lambda _: table, text, count=1)
    if not found:
        raise ValueError("the README has no table of configuration keys")
    return new


PAGES: dict[str, Callable[[str], str]] = {"Pulumi.yaml": pulumi_yaml, "README.md": readme}


def _default(key: Key) -> str:
    if not isinstance(key.default, str):
        return f"`{json.dumps(key.default)}`"
    text, _, digest = key.default.partition("@")
    return f"`{text}`, pinned by digest" if digest else f"`{text or chr(34) * 2}`"


def _yaml(key: Key) -> str:
    items = "    items:\n      type: string\n" if key.type == "array" else ""
    description = textwrap.fill(
        key.description, 112, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
    )
    return (
        f"  {key.name}:\n    type: {key.type}\n{items}    default: {json.dumps(key.default)}\n"
        f"    description: >-\n{description}\n"
    )


def main() -> None:
    """Write the pages anew."""
    for name, write in PAGES.items():
        page = ROOT / name
        page.write_text(write(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
