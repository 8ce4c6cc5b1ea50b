"""Columns of the table of evaluations beside its measures."""

#: Whose evaluation a row is, and after how many steps: no measure may have such a name.
WHOSE = ("configuration", "phase", "label")
COLUMNS = (*WHOSE, "seed", "step")
