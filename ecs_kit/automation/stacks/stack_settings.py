"""The kit's own keys in a Pulumi stack's settings file, such as `Pulumi.dev.yaml`."""

import json
from pathlib import Path
from typing import Any

import yaml

from ecs_kit.automation.errors import BadInput
from ecs_kit.components.program import NAMESPACE


def read(path: Path) -> dict[str, str]:
    """The configuration in a file, as `pulumi config set` takes it: lists and objects as JSON text.

    Raises:
        BadInput: there is no such file, or it has another form or keys that are not the kit's.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = document.get("config") if isinstance(document, dict) else None
        if not isinstance(config, dict):
            raise ValueError("it has no object `config`")
        return dict(_setting(str(key), value) for key, value in config.items())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    except yaml.YAMLError as error:
        reason = f"it is not YAML: {error}"
    except RecursionError:
        reason = "it is nested too deeply"
    raise BadInput(f"--stack-config {path}: {reason}")


def _setting(key: str, value: Any) -> tuple[str, str]:
    namespace, _, name = key.rpartition(":")
    if namespace != NAMESPACE:
        raise ValueError(f"{key}: only keys like {NAMESPACE}:taskMemory can be used here")
    if name == "patterns":
        raise ValueError(f"{key}: choose patterns with --pattern 1, 2 or all")
    if isinstance(value, dict) and set(value) == {"secure"}:
        raise ValueError(f"{key}: encrypted values cannot be used here")
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{key}: {value!r} is neither a text nor a number, list or object")
    try:
        return name, json.dumps(value) if isinstance(value, dict | list) else str(value)
    except TypeError as error:
        raise ValueError(f"{key}: {error}; put dates in quotes") from error
