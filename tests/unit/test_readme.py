"""The README's table of configuration keys is the configuration's own."""

from pathlib import Path

import pytest

from components.config import KeyDeclaration, declarations

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", declarations(), ids=lambda key: key.name)
def test_the_readme_lists_every_key_as_it_is_declared(key: KeyDeclaration) -> None:
    assert f"| `{key.name}` | {key.type} |" in README
    assert key.description in README
