from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from depdis_deploy.pipeline import ReadAhead, Turn, in_order


def doubled(group: Sequence[int], turn: Turn) -> list[int]:
    time.sleep(0.002 * (group[0] % 3))
    return [2 * item for item in group]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_none_is_lost(workers: int, batch: int) -> None:
    ahead = ReadAhead(range(50), 3)
    groups = in_order(ahead, doubled, workers=workers, batch=batch, stopped=threading.Event())
    assert [item for group in groups for item in group] == [2 * item for item in range(50)]


def test_reading_stays_a_bounded_way_ahead() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            read.append(item)
            yield item

    ahead = ReadAhead(items(), 3)
    results = in_order(ahead, doubled, workers=2, batch=1, stopped=threading.Event())
    for _ in range(5):
        next(results)
    time.sleep(0.05)
    assert len(read) <= 5 + 2 * 2 + 3 + 2
    results.close()
    ahead.close()


def test_reading_waits_until_an_item_is_admitted() -> None:
    left = [2]
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            read.append(number)
            yield number

    def admit(item: int) -> bool:
        left[0] -= left[0] > 0
        return left[0] > 0

    with closing(ReadAhead(items(), 9, admit=admit)) as ahead:
        never = threading.Event()
        assert ahead.get(never) == 0
        while len(read) < 2:
            time.sleep(0.01)
        assert read == [0, 1]
        left[0] = 9
        ahead.wake()
        assert [ahead.get(never) for _ in range(5)] == [1, 2, 3, 4, None]


def test_an_error_of_the_reader_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("disk gone")

    results = in_order(ReadAhead(items(), 2), doubled, workers=2, batch=2, stopped=threading.Event())
    got: list[int] = []
    with pytest.raises(OSError, match="disk gone"):
        got.extend(item for group in results for item in group)
    assert got == [0, 2, 4, 6, 8]


def test_an_error_of_a_worker_is_raised() -> None:
    def broken(group: Sequence[int], turn: Turn) -> int:
        return 1 // (group[0] - 3)

    with pytest.raises(ZeroDivisionError):
        list(in_order(ReadAhead(range(9), 2), broken, workers=2, batch=1, stopped=threading.Event()))


def test_stopping_hands_over_what_is_under_way() -> None:
    stopped = threading.Event()
    ahead = ReadAhead(iter(int, 1), 3)  # endless
    results = in_order(ahead, doubled, workers=2, batch=1, stopped=stopped)
    for _ in range(4):
        next(results)
    stopped.set()
    assert len(list(results)) <= 2 * 2
    ahead.close()


def test_a_live_source_loses_its_oldest_frames_instead_of_waiting() -> None:
    ahead = ReadAhead(range(100), 4, drop=True)
    ahead._thread.join()  # it waits for nobody, so all is read before the first is taken
    stopped = threading.Event()
    kept = list(iter(lambda: ahead.get(stopped), None))
    assert kept == [96, 97, 98, 99]
    assert ahead.dropped == 96


def test_a_result_does_not_wait_for_the_next_item() -> None:
    seen = threading.Event()

    def camera() -> Iterator[int]:
        yield 1
        assert seen.wait(30)
        yield 2

    ahead = ReadAhead(camera(), 1)
    results = in_order(ahead, doubled, workers=2, batch=1, stopped=threading.Event())
    assert next(results) == [2]
    seen.set()
    assert list(results) == [[4]]
    ahead.close()


def test_of_a_live_source_the_newest_frame_is_next() -> None:
    begun, all_came = threading.Event(), threading.Event()

    def camera() -> Iterator[int]:
        yield 0
        begun.wait(30)
        yield from range(1, 9)
        all_came.set()
        yield 9

    def work(group: Sequence[int], turn: Turn) -> int:
        begun.set()
        all_came.wait(30)
        return group[0]

    ahead = ReadAhead(camera(), 1, drop=True)
    taken = list(in_order(ahead, work, workers=1, batch=1, stopped=threading.Event(), under_way=1))
    assert taken[0] == 0
    assert taken[1:] in ([8, 9], [9])  # the end takes nobody's place
    assert ahead.dropped >= 7
    ahead.close()


@pytest.mark.parametrize("workers", [2, 4])
def test_what_is_done_in_turn_is_done_in_order(workers: int) -> None:
    seen: list[int] = []

    def work(group: Sequence[int], turn: Turn) -> int:
        time.sleep(0.003 * (group[0] % 3 == 0))  # the first of three is the last to be ready
        with turn:
            seen.extend(group)
        return group[0]

    list(in_order(ReadAhead(range(40), 9), work, workers=workers, batch=1, stopped=threading.Event()))
    assert seen == list(range(40))


def test_a_turn_that_is_not_taken_holds_up_nobody() -> None:
    seen: list[int] = []

    def work(group: Sequence[int], turn: Turn) -> int:
        if group[0] == 3:
            raise OSError("disk gone")
        with turn:
            seen.append(group[0])
        return group[0]

    results = in_order(ReadAhead(range(40), 9), work, workers=3, batch=1, stopped=threading.Event())
    with pytest.raises(OSError, match="disk gone"):
        list(results)
    assert seen == sorted(seen)


def test_leaving_early_cancels_turns_without_waiting_for_them() -> None:
    gate = threading.Event()

    def work(group: Sequence[int], turn: Turn) -> int:
        if group[0]:
            gate.wait(30)
        with turn:
            return group[0]

    ahead = ReadAhead(range(40), 9)
    results = in_order(ahead, work, workers=2, batch=1, stopped=threading.Event(), under_way=8)
    assert next(results) == 0
    threading.Timer(0.05, gate.set).start()
    results.close()  # ends though batches that were never begun held turns
    ahead.close()


def test_what_is_read_is_closed_in_its_thread_before_close_returns() -> None:
    closed_in: list[str] = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed_in.append(threading.current_thread().name)

    items = numbers()  # held here, so that nothing else ends it
    ahead = ReadAhead(items, 2)
    assert ahead.get(threading.Event()) == 0
    ahead.close()
    assert closed_in == ["read-ahead"]
