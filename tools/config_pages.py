"""The configuration's keys, as `Pulumi.yaml` and docs/configuration.md have them: `make pages` writes both.

`KitConfig` alone declares keys, types, defaults and ranges.
"""

import json
import textwrap

from ecs_kit.components.config import declarations
from ecs_kit.components.keys import Key


def pulumi_yaml(text: str) -> str:
    """Return `Pulumi.yaml` with the section `config` as the code declares it; it is the last one."""
    head, _, _ = text.partition("\nconfig:\n")
    return head + "\nconfig:\n" + "".join(map(_yaml, declarations()))


def table() -> str:
    """The table of keys as the code declares them, as Markdown."""
    rows = [f"| `{key.name}` | {key.type} | {_default(key)} | {key.description} |" for key in declarations()]
    return "\n".join(["| key | type | default | what it is |", "|---|---|---|---|", *rows])


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
