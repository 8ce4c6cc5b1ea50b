for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0], place = head.cellIndex;
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[place].dataset.v ?? row.cells[place].textContent;
    const missing = (text) => text === "nan" || text === "";
    const rows = [...body.rows].sort((one, other) => {
      const a = value(one), b = value(other);
      // What there is no number for stays at the end.
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return down ? -order : order;
    });
    body.append(...rows);
  });
}
for (const field of document.querySelectorAll("[data-filter]")) {
  field.addEventListener("input", () => {
    for (const row of document.getElementById(field.dataset.filter).tBodies[0].rows) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(field.value.toLowerCase());
    }
  });
}
