"""Options of a run of virtual kits: the server's address, the speed of time, the faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from hortus.base.errors import UsageError
from hortus.simulator.climate import Climate
from hortus.simulator.faults import FaultPlan
from hortus.simulator.kit_connection import LinkSettings
from hortus.simulator.report import Recorder
from hortus.simulator.rpc_faults import RpcFaultPlan


class SimulatorOptionsError(UsageError):
    """An option of a simulation is invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KitCredentials:
    """The identity of a virtual kit. `climate` is its chamber if it continues a history, else generated."""

    serial: str
    password: str = field(repr=False)
    climate: Climate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootTimes:
    """Timings of a booting kit: the timeout of a question, and the pause before asking again."""

    answer_timeout_seconds: float = 15.0
    ask_again_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """How virtual kits run.

    host, port        the MQTT server, plain TCP
    speed             how many times faster a kit's time runs: intervals shrink, the chamber's day too;
                      timestamps remain wall-clock time
    faults            faults of readings, see `parse_faults`
    rpc_faults        faults of answers, see `parse_rpc_faults`
    camera_seconds    how long a picture takes, in kit time
    raw_qos           0 as the real kit; 1 makes raw readings acknowledged, for load and fault tests
    seed              selects weather, noise and faults; the same seed gives the same
    stagger_seconds   pause between the starts of two kits, so that a fleet does not run in lockstep
    link, boot        timings and limits of the real kit
    recorder          is notified of each reading that awaits an acknowledgement
    """

    host: str = "127.0.0.1"
    port: int = 1883
    speed: float = 1.0
    faults: FaultPlan = field(default_factory=FaultPlan)
    rpc_faults: RpcFaultPlan = field(default_factory=RpcFaultPlan)
    camera_seconds: float = 2.0
    raw_qos: int = 0
    seed: int = 0
    stagger_seconds: float = 0.02
    link: LinkSettings = field(default_factory=LinkSettings)
    boot: BootTimes = field(default_factory=BootTimes)
    recorder: Recorder | None = None

    def __post_init__(self) -> None:
        if not 0 < self.speed <= 100_000:
            raise SimulatorOptionsError("The speed must be above 0 and at most 100,000.")
        if self.raw_qos not in {0, 1}:
            raise SimulatorOptionsError("Raw readings are sent at QoS 0 or 1.")
        if self.stagger_seconds < 0:
            raise SimulatorOptionsError("The pause between the starts of two kits cannot be negative.")
