"""A cohort as a Ray Tune trial."""

from __future__ import annotations

from typing import Any

from ray import tune

from seedsweep.sweeps.running.assignment import Assignment
from seedsweep.sweeps.running.worker import CohortWorker


class CohortTrial(tune.Trainable):
    """config: the fields of an Assignment."""

    #: What trains the cohort.
    worker = CohortWorker

    def setup(self, config: dict[str, Any]) -> None:
        """Get ready for a cohort, without taking it."""
        self._worker = self.worker(Assignment(**config))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Turn to another cohort in the same process."""
        self._worker.close()
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a while."""
        report = self._worker.advance()
        return {"done": report.done, "steps_done": report.steps_done, "outcomes": list(report.outcomes)}

    def cleanup(self) -> None:
        """End what runs."""
        self._worker.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the cohort's own checkpoints are in its folder, and Ray's are a cache of them."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""
