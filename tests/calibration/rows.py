"""Every row of the calibration, as the table has them."""

from tests.calibration import of_pages, of_ranks, of_scores, of_searches, of_shares, of_times

ROWS = [*of_shares.ROWS, *of_ranks.ROWS, *of_scores.ROWS, *of_times.ROWS, *of_searches.ROWS, *of_pages.ROWS]
