"""The settings of the tests that generate input: `make fuzz` sets KIT_EXAMPLES, and searches among others each time."""

from tests.unit.runtime.conftest import unbound_log  # noqa: F401  loads Hypothesis's profile, too
