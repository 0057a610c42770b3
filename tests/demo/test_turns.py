"""Whose turn it is."""

from __future__ import annotations

import threading

import pytest

from depdis_demo.turns import Busy, Turns


def test_first_come_first_served_and_one_too_many_is_sent_away() -> None:
    turns = Turns(1, 1)
    first, second = turns.take(), turns.take()
    with pytest.raises(Busy):
        turns.take()
    assert (first.ahead(), second.ahead()) == (0, 1)
    assert first.wait(0)
    assert not second.wait(0)
    first.leave()
    first.leave()
    assert second.wait(0)
    third = turns.take()
    second.leave()
    assert third.wait(0)


def test_who_waits_is_woken_and_who_gives_up_is_passed_over() -> None:
    turns = Turns(1, 3)
    first, given_up, last = (turns.take() for _ in range(3))
    assert last.ahead() == 2
    given_up.leave()
    assert last.ahead() == 1
    woken = threading.Event()
    waiting = threading.Thread(target=lambda: last.wait(60) and woken.set())
    waiting.start()
    first.leave()
    waiting.join(60)
    assert woken.is_set()


def test_an_error_gives_the_turn_back() -> None:
    turns = Turns(2, 0)
    with turns.turn(), turns.turn(), pytest.raises(Busy), turns.turn():
        pass
    with pytest.raises(ValueError, match="wrong"), turns.turn():
        raise ValueError("wrong")
    assert turns.take().wait(0)
