"""What is told of the end of a launch, of errors, and of workers that ran out of memory."""

import os
import threading
from unittest.mock import Mock, call

import numpy as np
import pytest

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.running.cohort_run import within_memory
from seedsweep.sweeps.running.executor import Dispatcher


def test_an_interrupt_that_python_dropped_still_ends_a_launch():
    """As it does while an object is finalised: then the event alone is left of it."""
    agenda, run, stop = Mock(), Mock(), threading.Event()
    agenda.next.return_value = []
    agenda.done = True
    run.retry_asked.return_value = False
    dispatcher = Dispatcher(Mock(run=run, stop=stop, budget=None), agenda, [], list)
    assert dispatcher.take() is None
    assert dispatcher.done
    stop.set()
    for action in (dispatcher.take, lambda: dispatcher.progressed(["a"], 1, [[]])):
        with pytest.raises(KeyboardInterrupt):
            action()


def test_an_error_in_what_is_told_is_raised_in_the_launch_and_not_taken_for_the_trials():
    from seedsweep.sweeps.running.ray_trials import CohortSearcher

    dispatcher = Mock()
    dispatcher.take.return_value = None
    dispatcher.done = True
    searcher = CohortSearcher(dispatcher)
    assert searcher.suggest("a") == searcher.FINISHED
    with searcher.errors_deferred():
        raise OSError("no space left")
    with pytest.raises(OSError, match="no space left"):
        searcher.suggest("b")


def test_all_cohorts_of_a_trial_show_as_running_and_each_ends_as_the_ledger_says(tmp_path):
    one, other = (CohortSpec("explore", n, f"hash{n}", "", {}, {}, (7, 8), 10) for n in (0, 1))
    ledger, agenda, watcher = Ledger(tmp_path), Mock(), Mock()
    agenda.ledger, agenda.next.side_effect = ledger, [[one, other], []]
    agenda.fail.return_value = False
    job = Mock(run=Mock(paths=RunPaths(tmp_path)), stop=threading.Event())
    job.budget.used_up = False
    job.run.retry_asked.return_value = False
    dispatcher = Dispatcher(job, agenda, [watcher], lambda: ["here"])
    for spec in (one, other):
        ledger.record(spec).create(spec)
    folders = dispatcher.take().folders
    assert folders == tuple(str(ledger.record(spec).folder) for spec in (one, other))
    dispatcher.progressed(folders, 4, [["never", "converged"], []])
    claims = [ledger.record(spec).claim(1) for spec in (one, other)]
    claims[0].commit(Curves([1], np.zeros((1, 2, 1)), ["score"], [7, 8]), [], {})
    dispatcher.worker_exited(folders)
    assert watcher.mock_calls == [
        call.started(one),
        call.started(other),
        call.progressed(one, 4, ["never", "converged"]),
        call.progressed(other, 4, []),
        call.finished(one, failed=False),
    ]
    agenda.finish.assert_called_once_with(one)
    # Its worker's host is none of the living ones.
    agenda.fail.assert_called_once_with(other, lost=True, shared=True)


def test_half_as_many_at_once_after_each_death_for_lack_of_memory(tmp_path):
    """Ray ends a worker before the system does, and says so; another reason, the same one again, or a death in a trial
    with others, changes nothing."""
    record = CohortRecord(tmp_path)
    low = "Failure # 1 1 worker(s) were killed due to the node running low on memory. Memory on the node was ..."
    assert within_memory(record, 12) == 12
    record.fail(f"in a trial with no. 4: {low}")
    assert within_memory(record, 12) == 12
    record.fail(low)
    assert [within_memory(record, 12), within_memory(record, 12)] == [6, 6]
    os.utime(tmp_path / "limit.txt", (0, 0))
    assert within_memory(record, 12) == 3
    record.fail("ValueError: something else")
    os.utime(tmp_path / "limit.txt", (0, 0))
    assert within_memory(record, 12) == 3
    assert within_memory(record, 2) == 2
