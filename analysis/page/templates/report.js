"use strict";
// Tables sort and filter; a page of a study that runs takes in what is new, and keeps what its reader has set.
const main = document.querySelector("main");

function sort(table, place, down) {
  const heads = table.tHead.rows[0].cells, body = table.tBodies[0];
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", down ? "descending" : "ascending");
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
}

function filter(field) {
  for (const row of document.getElementById(field.dataset.filter).tBodies[0].rows) {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(field.value.toLowerCase());
  }
}

document.addEventListener("click", ({ target }) => {
  const head = target.closest?.(".sortable thead th");
  if (head && target.closest("button")) {
    sort(head.closest("table"), head.cellIndex, head.getAttribute("aria-sort") !== "descending");
  }
});
document.addEventListener("input", ({ target }) => {
  if (target.dataset.filter) filter(target);
});

// What the reader has set: sorting, filters, open parts, places in wide tables, and where the page stands.
function readerState() {
  const every = (selector) => [...main.querySelectorAll(selector)];
  const seen = every("section[id], h3[id]").filter((one) => one.getBoundingClientRect().top <= 1).pop();
  return {
    sorted: every("th[aria-sort]").map((head) => [head.closest("table").id, head.cellIndex, head.ariaSort]),
    fields: every("input[id]").map((field) => [field.id, field.type === "checkbox" ? field.checked : field.value]),
    open: every("details[open]").map((one) => one.dataset.key),
    scrolled: every(".scroll").filter((one) => one.scrollLeft).map((one) => [one.ariaLabel, one.scrollLeft]),
    focused: main.contains(document.activeElement) ? document.activeElement.id : "",
    anchor: seen && [seen.id, seen.getBoundingClientRect().top],
  };
}

function restore(state) {
  for (const [id, place, order] of state.sorted) {
    const table = document.getElementById(id);
    if (table?.tHead.rows[0].cells[place]) sort(table, place, order === "descending");
  }
  for (const [id, value] of state.fields) {
    const field = document.getElementById(id);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
    if (field.dataset.filter) filter(field);
  }
  for (const one of main.querySelectorAll("details")) one.open = state.open.includes(one.dataset.key);
  for (const one of main.querySelectorAll(".scroll")) {
    one.scrollLeft = state.scrolled.find(([label]) => label === one.ariaLabel)?.[1] ?? 0;
  }
  if (state.focused) document.getElementById(state.focused)?.focus({ preventScroll: true });
  const [id, top] = state.anchor ?? [];
  const seen = id && document.getElementById(id);
  if (seen) scrollBy(0, seen.getBoundingClientRect().top - top);
}

// The parts of the page as they came, before anything on it was sorted or drawn.
let parts = new Map([...main.children].map((part) => [part.id, part.outerHTML]));
let stamp = document.body.dataset.stamp;
const tidied = (html) => new DOMParser().parseFromString(html, "text/html").body;

async function seedsweepLive(fresh) {
  if (fresh.ended) clearInterval(watching);
  if (fresh.stamp === stamp) return;
  stamp = fresh.stamp;
  // A page that had nothing to draw has nothing to draw with.
  if (fresh.data && !window.seedsweepCharts) return location.reload();
  const next = [...tidied(fresh.content).children];
  const came = new Map(next.map((part) => [part.id, part.outerHTML]));
  // A picture that is not decoded has no height yet: the page would jump.
  await Promise.allSettled(next.flatMap((part) => [...part.querySelectorAll("img")]).map((image) => image.decode()));
  const state = readerState();
  let last = null;
  for (const part of next) {
    const own = document.getElementById(part.id);
    const kept = own && parts.get(part.id) === came.get(part.id);
    if (own && !kept) own.replaceWith(part);
    if (!own) last ? last.after(part) : main.prepend(part);
    last = kept ? own : part;
  }
  for (const id of parts.keys()) if (!came.has(id)) document.getElementById(id)?.remove();
  parts = came;
  if (fresh.data) window.seedsweepCharts(fresh.data);
  restore(state);
  document.getElementById("news").textContent = fresh.ended ? "The study has ended." : "There are new results.";
}

const script = document.body.dataset.live;
const watching = script && setInterval(look, 30_000);
function look() {
  const asked = document.createElement("script");
  asked.src = `${script}?${Date.now()}`;
  asked.onload = asked.onerror = () => asked.remove();
  document.head.append(asked);
}
