"""Which node: the fleet's nodes side by side, their throttling flags, and heat maps of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from master.judge.faults import Faults
from master.judge.seconds.unfit_nodes import UnfitNode
from master.report.figures import charts
from master.report.figures.charts import Figure, Timeline
from master.report.figures.node_comparison import comparison_figure
from master.report.fleet import FleetMap
from master.report.page.fleet_makeup import Boards, boards
from master.report.page.nodes_table import NodeRow, nodes_table
from master.report.series import Values
from master.report.throttling_table import ThrottlingRow, flagged_nodes, shown_first, throttling_row, throttling_unknown

Maps = tuple[list[Figure], dict[str, list[Values]]]
Spans = Sequence[tuple[float, float]]


@dataclass
class Nodes:
    """What the page shows of the nodes."""

    fleet: FleetMap
    unfit: list[UnfitNode]
    table: list[NodeRow] = field(default_factory=list)
    boards: list[Boards] = field(default_factory=list)
    together: Figure | None = None
    shown: list[str] = field(default_factory=list)
    """The nodes drawn together at first."""
    throttling: list[ThrottlingRow] = field(default_factory=list)
    """Nodes with a throttling flag, the worst first."""
    throttling_unknown: list[str] = field(default_factory=list)
    throttling_at_times_unknown: list[str] = field(default_factory=list)
    maps: list[Figure] = field(default_factory=list)
    rows: dict[str, list[Values]] = field(default_factory=dict)
    """What all maps would show, by their names."""

    @property
    def drawn(self) -> list[Figure]:
        """All charts of the section."""
        return [*([self.together] if self.together else []), *self.maps]


def nodes_section(
    fleet: FleetMap,
    unfit: list[UnfitNode],
    steady: list[tuple[int, int]],
    gaps: list[tuple[float, float]],
    faults: Faults,
) -> Nodes:
    """The section; what of it can't be worked out is missing, and noted in `faults`."""
    attempt = faults.attempt
    no_maps: Maps = ([], {})
    maps, rows = attempt("the heat maps", lambda: _maps(fleet), no_maps)
    shown: list[int] = attempt(
        "the nodes to be shown first", lambda: shown_first(fleet, {node.name: node.seconds for node in unfit}), []
    )
    together = attempt(
        "the nodes side by side",
        lambda: (
            comparison_figure(fleet, Timeline(fleet.axis, steady, gaps), shown, unfit=bool(unfit)) if shown else None
        ),
        None,
    )
    flagged: list[ThrottlingRow] = attempt(
        "the nodes with a throttling flag",
        lambda: [throttling_row(track, fleet.period_s) for track in flagged_nodes(fleet)],
        [],
    )
    none_of_either: tuple[list[str], list[str]] = ([], [])
    never_known, not_always_known = attempt("throttling", lambda: throttling_unknown(fleet), none_of_either)
    table: list[NodeRow] = attempt("the table of nodes", lambda: nodes_table(fleet, unfit), [])
    of_boards: list[Boards] = attempt("the boards", lambda: boards(fleet.tracks), [])
    return Nodes(
        fleet,
        unfit,
        table,
        of_boards,
        together,
        [fleet.nodes[index] for index in shown],
        flagged,
        never_known,
        not_always_known,
        maps,
        rows,
    )


def _maps(fleet: FleetMap) -> Maps:
    """The heat maps that have something to show; and what all of them would show, by their names."""
    rows = {
        "temperature": fleet.temperature_c,
        "clock": fleet.clock_percent,
        "node-users": fleet.users,
        "cpu": fleet.cpu_percent,
    }
    drawn = []
    if fleet.has_temperature:
        drawn.append(charts.heat_map("temperature", "Temperature", fleet, rows["temperature"], charts.TEMPERATURE))
    if fleet.has_clock:
        drawn.append(charts.heat_map("clock", "Clock", fleet, rows["clock"], charts.CLOCK, lowest=True))
    if fleet.has_users:
        drawn.append(charts.heat_map("node-users", "Users", fleet, fleet.users, charts.users_scale(fleet.users)))
    if fleet.has_samples:
        drawn.append(charts.heat_map("cpu", "CPU", fleet, rows["cpu"], charts.CPU))
    return drawn, rows
