"""Who carries plans out: one after the other, in processes of this machine, or by Ray on one machine or a cluster."""

from interp.experiments.executor.base import Ended, Event, Executor, Started
from interp.experiments.executor.processes import Processes
from interp.experiments.executor.serial import Serial

__all__ = ["Ended", "Event", "Executor", "Processes", "Serial", "Started"]
