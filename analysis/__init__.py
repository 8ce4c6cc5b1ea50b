"""The ledger to tables, statistics, figures and the report. Needs no torch, ray or optuna."""
