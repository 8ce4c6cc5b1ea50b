"""A small study of the report's model."""

#: A study that takes seconds: what it finds means nothing, how it gets there is the same.
SMALL_STUDY = """
question: Does it run?
task: recurrent_attention
settings: {glimpses: 2, glimpse_size: 8, window: 0.4, state: 16}
data: {name: pattern1, size: 32, train: 64, validation: 32, field: 12, anywhere: true}
training: {steps: 24, batch: 8, evaluate_every: 4}
optimizer: {name: adam}
hyperparameters: {lr: 0.005}
schedules: {lr: {name: step, every: 16}, gamma: {name: step, every: 12}}
configurations: {alpha 1: {alpha: 1.0}, alpha 0: {alpha: 0.0}}
claims: [{best: alpha 1}]
search:
  explore: 4
  space:
    alpha: {low: 0.0, high: 1.0}
    schedules.lr.every: {low: 4, high: 24}
  window: 2
seeds: {search: 2, compare: 4}
criterion: {metric: f1, threshold: 0.6, hold: 2}
resources: {engine: fused, cohort: 3, checkpoint_seconds: 0}
scales: {laptop: {}, cluster: {training: {steps: 48}}}
"""
