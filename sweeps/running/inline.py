"""Cohorts one after another in this process, without Ray: for a debugger, a notebook, and tests."""

from __future__ import annotations

import time

import torch

from seedsweep.sweeps.running.dispatcher import Dispatcher
from seedsweep.sweeps.running.worker import CohortWorker

#: Between two looks where a cohort is to be tried again later.
PAUSE = 0.1


def run_inline(dispatcher: Dispatcher) -> None:
    """Run what the dispatcher gives until nothing is left. A cohort's failure is on its record, as with Ray.

    Errors: KeyboardInterrupt.
    """
    threads = torch.get_num_threads()
    try:
        _run_all(dispatcher)
    finally:
        # A worker takes as many as the study says.
        torch.set_num_threads(threads)


def _run_all(dispatcher: Dispatcher) -> None:
    while True:
        assignment = dispatcher.take()
        if assignment is None:
            if dispatcher.done:
                return
            time.sleep(PAUSE)
            continue
        worker = CohortWorker(assignment, same_thread=True)
        try:
            while not (report := worker.advance()).done:
                dispatcher.progressed(assignment.folder, report.steps_done, report.outcomes)
        except Exception:
            # The worker has left the reason in the cohort's folder.
            dispatcher.check()
        dispatcher.ended(assignment.folder)
