"""Write the configuration's keys into all pages that list them: `python -m tools.config_pages`.

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


def arguments(text: str) -> str:
    """Return the component package's arguments, one for each key of a single pattern."""
    head, _, _ = text.partition(_FIRST_ARGUMENT)
    return head + "".join(_argument(key) for key in declarations() if key.name != "patterns")


PAGES: dict[str, Callable[[str], str]] = {
    "Pulumi.yaml": pulumi_yaml,
    "README.md": readme,
    "ecs_kit/package/arguments.py": arguments,
}

_FIRST_ARGUMENT = "    name_suffix: "
_PYTHON_TYPES = {
    "string": "str",
    "integer": "int",
    "array": "list[str]",
    "object": "dict[str, str]",
    "jobImage": "pulumi.Input[str]",
    "jobEnvironment": "dict[str, pulumi.Input[str]]",
    "jobSecrets": "dict[str, pulumi.Input[str]]",
    "jobPolicy": "pulumi.Input[dict[str, Any]]",
}
"""The types of arguments, by key or by type of key. What another resource may know only later is an input."""


def _argument(key: Key) -> str:
    name = key.attribute.replace(".", "_")
    text = textwrap.fill(
        f'"""{key.description} By default {_default(key)}."""',
        120,
        initial_indent=" " * 4,
        subsequent_indent=" " * 4,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return f"    {name}: {_PYTHON_TYPES.get(key.name) or _PYTHON_TYPES[key.type]}\n{text}\n"


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
