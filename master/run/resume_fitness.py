"""What a controller that takes a run over has to know of how fit the generator was until then, from run.db."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from master.judge.seconds.fitness import FitnessLog, NodeCondition, is_pi
from master.store import CONTROLLER, Store
from worker.load.histogram import Histogram


def resume_fitness(store: Store, is_steady: Callable[[int], bool]) -> tuple[FitnessLog, Counter[str]]:
    """The fitness of the seconds that `is_steady`, and how many samples of them have come from each node.

    Reads every row: an hour of 500 nodes takes some seconds.
    """
    log, samples = FitnessLog(), Counter[str]()
    for row in store.fitness():
        if is_steady(row.second):
            log.add_lag(row.node, Histogram.decode(row.lag), fit=not row.unfit, own_clock=row.own_clock)
            if row.worker_cpu_percent is not None:
                log.add_worker_cpu(row.node, row.worker_cpu_percent)
            log.add_requests(0 if row.unfit else row.requests, row.requests if row.unfit else 0)
    pis = {name for name, facts in store.nodes().items() if is_pi(facts)}
    for node, second, cpu_percent, memory_percent, temperature_c, conditions in store.sampled():
        if not is_steady(second):
            continue
        samples[node] += 1
        if node == CONTROLLER:
            log.add_controller(cpu_percent)
        else:
            log.add_node(node, NodeCondition(cpu_percent, memory_percent, temperature_c, conditions, node in pis))
    for second_row in store.seconds():
        if is_steady(second_row.second):
            log.note_ready(second_row.ready)
    return log, samples
