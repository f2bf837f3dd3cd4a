"""When a validator does what."""

from master.target.chain.consensus.pace import MAX_ROUND_TIMEOUT_S, Pace, Timers


def test_timers_come_in_the_order_of_their_times_and_then_of_their_setting() -> None:
    timers = Timers[str]()
    for due_at, said in ((3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b")):
        timers.set(due_at, lambda said=said: said)
    assert timers.next_at() == 1.0
    assert timers.pop(0.9) is None
    calls = iter(lambda: timers.pop(3.0), None)
    assert [call() for call in calls] == ["a", "b", "c", "d"]
    timers.set(1.0, lambda: "e")
    timers.clear()
    assert timers.pop(9.0) is None


def test_rounds_are_waited_for_longer_and_longer_up_to_a_limit() -> None:
    pace = Pace(round_timeout_s=2.0)
    waits = [pace.timeout_s(0, number) for number in range(100)]
    assert waits[:3] == [2.0, 3.0, 4.0]
    assert waits == sorted(waits)
    assert waits[-1] == MAX_ROUND_TIMEOUT_S
    assert pace.timeout_s(1, 0) == 1.0
