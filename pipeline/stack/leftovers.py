"""What an earlier stack of a data folder has left: processes whose supervisor and warden cannot end them any more."""

from __future__ import annotations

from pipeline.stack import state as states
from pipeline.stack.folder import Folder
from pipeline.stack.frozen import is_stopped
from pipeline.stack.reporting import log
from pipeline.stack.session import Session

__all__ = ["kill_frozen_warden", "kill_leftovers"]


def kill_frozen_warden(folder: Folder) -> None:
    """Kill the warden of an earlier stack if it is stopped: it would hold its lock for ever."""
    former = states.read(folder.state_file)
    if former and former.warden_runs and is_stopped(former.warden):
        log("sweeping", name="warden", pid=former.warden)
        Session(former.warden).kill()


def kill_leftovers(folder: Folder) -> None:
    """Kill processes of an earlier stack whose supervisor and warden were killed together.

    Only sessions whose leader is the process that is written in the state: not a later process with its pid.
    """
    former = states.read(folder.state_file)
    for process in former.processes if former else ():
        if process.pid is not None and process.runs:
            log("sweeping", name=process.name, pid=process.pid)
            Session(process.pid).kill()
