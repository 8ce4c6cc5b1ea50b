"""What is asked of an open page."""

#: Charts, and how many marks of one configuration each has: an interval and a point, or lines and dots of 12 seeds.
CHARTS = {"p_converge": 2, "learning_curves": 12 + 1, "final_scores": 12 + 1, "slider": 4}
#: Figures that are no charts, in which configurations are marked.
FIGURES = ("time_to_convergence", "profiles", "best_of_n", "named_best", "effects", "glimpses", "criteria")


def column(page, place: int, table: str = "configurations") -> list[str]:
    return page.eval_on_selector_all(
        f"#{table} tbody tr", f"rows => rows.map(row => row.cells[{place}].dataset.v ?? row.cells[{place}].textContent)"
    )


def said(page, chart: str) -> str:
    return page.text_content(f"[data-chart={chart}] output.said")


def domain(page, chart: str, axis: str) -> list[float]:
    return page.evaluate(f"document.querySelector('[data-chart={chart}]').svg.scale('{axis}').domain")
