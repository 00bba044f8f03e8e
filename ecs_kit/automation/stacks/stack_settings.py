"""The kit's own keys in a Pulumi stack's settings file, such as `Pulumi.dev.yaml`."""

import json
from pathlib import Path
from typing import Any

import yaml

from ecs_kit.automation.errors import StackSettingsUnusable
from ecs_kit.components.program import NAMESPACE


def read(path: Path) -> dict[str, str]:
    """The configuration in a file, as `pulumi config set` takes it: lists and objects as JSON text.

    Raises:
        StackSettingsUnusable: there is no such file, or it has another form or keys that are not the kit's.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StackSettingsUnusable(path, getattr(error, "strerror", None) or str(error)) from error
    except yaml.YAMLError as error:
        raise StackSettingsUnusable(path, f"it is not YAML: {error}") from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise StackSettingsUnusable(path, "it has no object `config`")
    return {_key(path, str(key)): _text(path, str(key), value) for key, value in config.items()}


def _key(path: Path, key: str) -> str:
    namespace, _, name = key.rpartition(":")
    if namespace != NAMESPACE:
        raise StackSettingsUnusable(path, f"{key}: only keys like {NAMESPACE}:taskMemory can be used here")
    if name == "patterns":
        raise StackSettingsUnusable(path, f"{key}: choose patterns with --pattern 1, 2 or all")
    return name


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"secure"}:
        raise StackSettingsUnusable(path, f"{key}: encrypted values cannot be used here")
    if isinstance(value, bool) or value is None:
        raise StackSettingsUnusable(path, f"{key}: {value!r} is neither a text nor a number, list or object")
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
