"""What a task's result has to be: a copy of its source, not empty, what a function of the user's own says, anything."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from ecs_kit.automation.errors import BadInput

Judge = Callable[[bytes, bytes], str]
"""From the bytes of the source and of the result to what is wrong with the result, nothing if nothing is."""

Expectation = Literal["copy", "none"] | Judge
"""`copy` compares without holding the objects in memory; `none` reads no result."""

COPY: Final = "copy"
NONE: Final = "none"

FUNCTION = "expected"


def read(text: str) -> Expectation:
    """The expectation that an option names: `copy`, `exists`, `none`, or `<file>.py[:<function>]`.

    Raises:
        BadInput: there is no such file or function, or the file cannot be executed.
    """
    if text == COPY:
        return COPY
    if text == NONE:
        return NONE
    if text == "exists":
        return lambda _source, result: "" if result else "it is empty"
    name, _, function = text.partition(":")
    path = Path(name).absolute()
    if path.suffix != ".py" or not path.is_file():
        raise BadInput(
            f"--expect {text}: give copy, exists, none, or a Python file with a function {FUNCTION}(source, result)"
        )
    return _loaded(path, function or FUNCTION)


def _loaded(path: Path, name: str) -> Judge:
    try:
        function = runpy.run_path(str(path), run_name=f"expectation_{path.stem}").get(name)
    except Exception as error:
        raise BadInput(f"--expect {path}: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise BadInput(f"--expect {path}: there is no function {name}(source, result) in it")

    def judge(source: bytes, result: bytes) -> str:
        try:
            return str(function(source, result) or "")
        except Exception as error:  # noqa: BLE001  a result on which the function fails is not as expected
            return f"{name} raised {type(error).__name__}: {error}"

    return judge
