"""Pure functions over arrays: tests, intervals, estimates."""
