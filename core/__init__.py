"""Models, losses and the training of cohorts. Needs torch and NumPy alone; takes arrays, not files."""
