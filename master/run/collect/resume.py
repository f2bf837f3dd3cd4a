"""What a controller that takes a run over has to know of it until then, from run.db."""

from __future__ import annotations

from collections import Counter

from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.node_totals import add_samples, add_workers
from master.judge.seconds.steady_part import SteadyPart
from master.judge.seconds.stored_seconds import stored_seconds, stored_spans
from master.judge.seconds.unfit import NodeCondition, is_pi
from master.run.collect.live_rules import LiveRules
from master.store import CONTROLLER, Store, StoreReader
from worker.load.histogram import Histogram


def resume_fitness(store: StoreReader, steady: SteadyPart) -> tuple[FitnessLog, Counter[str]]:
    """The generator's fitness in the steady seconds, but for its requests; and how many samples of them have come from each node.

    Reads every row that is not packed: an hour of 500 nodes takes some seconds.
    """
    log, samples = FitnessLog(), Counter[str]()
    for node, totals in store.node_totals("fitness"):
        add_workers(log, node, totals)
    for node, totals in store.node_totals("samples"):
        samples[node] += add_samples(log, node, totals)
    for row in store.fitness_rows():
        if row.second in steady:
            log.add_row(row, Histogram.decode(row.lag))
    pis = {name for name, facts in store.nodes().items() if is_pi(facts)}
    for node, second, cpu_percent, memory_percent, temperature_c, conditions in store.sample_rows():
        if second not in steady:
            continue
        samples[node] += 1
        if node == CONTROLLER:
            log.add_controller(cpu_percent)
        else:
            log.add_node(node, NodeCondition(cpu_percent, memory_percent, temperature_c, conditions, node in pis))
    for second_row in store.seconds():
        if second_row.second in steady:
            log.note_ready(second_row.ready)
    return log, samples


def resume_seconds(store: Store, steady: SteadyPart, fitness: FitnessLog, rules: LiveRules, judged_before: int) -> None:
    """Add the requests of the steady seconds to `fitness`, and the seconds that the controller before has judged to `rules`.

    Those from `judged_before` on were not complete when it was lost: what came of them since is judged at the end of the run alone.
    """
    for span in stored_spans(store, steady.seconds()):
        if span.second in steady:
            fitness.add_requests(
                *(sum(tally.total for tally in part.values()) for part in (span.facts.fit, span.facts.unfit))
            )
            rules.add_past_span(span, steady)
    rules.restore(store, steady)
    for second, facts in stored_seconds(store, steady.seconds()):
        if second not in steady:
            continue
        fit, unfit = (sum(tally.total for tally in part.values()) for part in (facts.fit, facts.unfit))
        fitness.add_requests(fit, unfit)
        if second < judged_before:
            rules.add_past(second, facts, steady)
    rules.add_exceptions(max(0, store.exceptions_total() - rules.exceptions))
