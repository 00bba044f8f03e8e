"""What Ctrl-C does to the driver at each moment; `stacks/test_pulumi_process.py` has what it does to a command."""

import signal

import pytest

from ecs_kit.automation.host.interruption import SIGNALS, Interrupted, InterruptedAgain, Interruption


def test_the_first_signal_interrupts_a_breakable_block() -> None:
    interruption = Interruption()

    with pytest.raises(Interrupted) as broken, interruption.breakable():
        interruption.handle(signal.SIGINT)

    assert not isinstance(broken.value, InterruptedAgain)
    assert interruption.exit_status == 130


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_python_loses_in_a_destructor_is_raised_by_the_next_check() -> None:
    interruption = Interruption()

    class Destroyed:
        def __del__(self) -> None:
            interruption.handle(signal.SIGINT)

    with pytest.raises(Interrupted), interruption.breakable():
        Destroyed()
        interruption.check()
    interruption.raise_noted()


def test_elsewhere_it_is_noted_and_raised_once_on_request() -> None:
    interruption = Interruption()
    interruption.handle(signal.SIGTERM)
    interruption.check()

    with pytest.raises(Interrupted):
        interruption.raise_noted()
    interruption.raise_noted()
    assert interruption.exit_status == 143


def test_a_noted_signal_keeps_a_breakable_block_from_beginning() -> None:
    interruption = Interruption()
    interruption.handle(signal.SIGINT)

    with pytest.raises(Interrupted), interruption.breakable():
        pytest.fail("the block began")


def test_the_second_signal_interrupts_everything_and_the_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruption().installed() as interruption:
        assert signal.getsignal(signal.SIGINT) == interruption.handle
        interruption.handle(signal.SIGINT)

        with pytest.raises(InterruptedAgain), interruption.passing_on(lambda: None):
            interruption.handle(signal.SIGINT)

        assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL] * len(SIGNALS)
    assert [signal.getsignal(number) for number in SIGNALS] == before
