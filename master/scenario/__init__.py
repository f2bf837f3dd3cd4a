"""The scenario file: what to run, against what, and what must hold. Read with `load_scenario`.

Nothing here knows a socket, a clock or Locust; the load schedule, thresholds and validity checks build on this package.
"""

from master.scenario.load_stages import LoadStage, OpenStage, ShapeLoad, Sine, Spike, Stage
from master.scenario.loader import draft_of, load_scenario, project_of, scenario_as_run
from master.scenario.model import EMBEDDED, ExpectedNodes, Scenario, SimulatedRack, SoakLimits, ValidityLimits
from master.scenario.overrides import Overrides
from master.scenario.project_keys import LocustProject
from master.scenario.rules import Threshold, parse_threshold
from master.scenario.schema.scenario import UnfitUsers

__all__ = [
    "EMBEDDED",
    "ExpectedNodes",
    "LoadStage",
    "LocustProject",
    "OpenStage",
    "Overrides",
    "Scenario",
    "ShapeLoad",
    "SimulatedRack",
    "Sine",
    "SoakLimits",
    "Spike",
    "Stage",
    "Threshold",
    "UnfitUsers",
    "ValidityLimits",
    "draft_of",
    "load_scenario",
    "parse_threshold",
    "project_of",
    "scenario_as_run",
]
