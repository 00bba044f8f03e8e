"""What Ctrl-C means to the driver at each moment."""

import signal
import threading

import pytest

from ecs_kit.automation.host.interruption import SIGNALS, Interrupted, InterruptedAgain, Interruption


def test_the_first_signal_breaks_into_what_may_be_broken_into() -> None:
    interruption = Interruption()

    with pytest.raises(Interrupted) as broken:
        with interruption.breakable():
            interruption.handle(signal.SIGINT)

    assert not isinstance(broken.value, InterruptedAgain)
    assert interruption.exit_status == 130


def test_elsewhere_it_is_noted_and_raised_when_asked_for_once() -> None:
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

    with pytest.raises(Interrupted):
        with interruption.breakable():
            pytest.fail("the block began")


def test_a_running_command_is_told_and_the_signal_raised_after_it() -> None:
    interruption = Interruption()
    told: list[str] = []

    with pytest.raises(Interrupted):
        with interruption.breakable():
            with interruption.passing_on(lambda: told.append("stop")):
                interruption.handle(signal.SIGINT)
            interruption.check()

    assert told == ["stop"]


def test_a_command_of_the_destroy_is_not_told() -> None:
    interruption = Interruption()
    told: list[str] = []

    with interruption.passing_on(lambda: told.append("stop")):
        interruption.handle(signal.SIGINT)

    assert told == []
    with pytest.raises(Interrupted):
        interruption.raise_noted()


def test_the_second_signal_breaks_into_everything() -> None:
    interruption = Interruption()
    with interruption.installed():
        interruption.handle(signal.SIGINT)

        with pytest.raises(InterruptedAgain):
            with interruption.passing_on(lambda: None):
                interruption.handle(signal.SIGINT)

        assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL] * len(SIGNALS)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    with Interruption().installed() as interruption:
        assert signal.getsignal(signal.SIGINT) == interruption.handle

    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_commands_of_other_threads_do_not_take_the_signal() -> None:
    interruption = Interruption()
    interruption.handle(signal.SIGINT)
    raised: list[BaseException] = []

    def other() -> None:
        try:
            with interruption.passing_on(lambda: None):
                interruption.check()
        except Interrupted as error:
            raised.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()

    assert raised == []
