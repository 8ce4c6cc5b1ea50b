"""A member's weights as a file of their own: a plain state dict."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from torch import Tensor

from seedsweep.analysis.labels import label, searched
from seedsweep.core.errors import UserError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running.run_directory import RunDirectory

#: What the search found, on a command line.
BEST_FOUND = "best found"


def write(run: RunDirectory, configuration: str | None, seed: int, to: Path, console: Console) -> None:
    """Write a compared member's weights, tensors by name, and say how to load them. Errors: UserError."""
    record = _record(run, configuration, seed)
    if to.exists():
        raise UserError(f"--to {to}: is there already: remove it, or write elsewhere")
    tensors = _tensors(run, record, seed)
    to.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(to, tensors)
    study = run.study()
    console.print(
        f"{escape(str(to))}: {len(tensors)} tensors, {sum(each.numel() for each in tensors.values())} numbers"
    )
    console.print(f'load:    model.load_state_dict(torch.load("{escape(str(to))}", weights_only=True))')
    console.print(f"model:   as `model()` of {escape(study.task)} makes it, with the settings of this configuration")


def _record(run: RunDirectory, configuration: str | None, seed: int) -> CohortRecord:
    """The finished cohort of the comparison that has this member. Errors: UserError."""
    records = [(record, spec) for record in run.ledger.records() if (spec := record.spec()).phase == "compare"]
    names = {_name(spec): label(spec, spec.number, searched(run.study(), [spec])) for _, spec in records}
    if not names:
        raise UserError(f"{run.name} has compared nothing yet: weights are of members of the comparison")
    if configuration not in names:
        there = ", ".join(repr(name) for name in names)
        asked = "name one with --configuration" if configuration is None else f"there is no {configuration!r}"
        raise UserError(f"{run.name}: {asked}; it compares {there}")
    own = [(record, spec) for record, spec in records if _name(spec) == configuration]
    found = next((record for record, spec in own if seed in spec.seeds), None)
    if found is None:
        seeds = sorted(seed for _, spec in own for seed in spec.seeds)
        raise UserError(f"{run.name}: {configuration} has no seed {seed}; it has {seeds[0]} to {seeds[-1]}")
    if not found.finished:
        raise UserError(f"{run.name}: seed {seed} of {configuration} has not finished: launch again, and ask then")
    return found


def _tensors(run: RunDirectory, record: CohortRecord, seed: int) -> dict[str, Tensor]:
    """Of one member, each in storage of its own. Errors: UserError."""
    if not record.weights.exists():
        if record.has_files or record.run().get("engine") in ("function", "command"):
            raise UserError(
                f"{run.name}: its members are trained by a program of your own, which keeps their weights where it "
                f"saves them; what it left is below {record.folder}"
            )
        raise UserError(
            f"{run.name} kept no weights: launch the study once more under another name, with "
            f"--name {run.name}_kept --set resources.keep_weights=true"
        )
    stored = checkpoint.load(record.weights)
    if stored is None:
        raise UserError(f"{record.weights} is damaged: remove {record.folder}, and launch again")
    row = stored["seeds"].index(seed)
    return {name: values[row].clone() for name, values in stored["tensors"].items()}


def _name(spec: CohortSpec) -> str:
    """On the command line."""
    return spec.name or BEST_FOUND
