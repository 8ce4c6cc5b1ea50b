"use strict";
// Hover, keys, highlight, zoom and the threshold. Without this script, or where it fails, the page shows the figures.
window.seedsweepCharts = (() => {
  const { CHARTS, state, farthest, shownBy, identity, itemOf, criteria, isOwn, chosen, word } = seedsweepPlots;
  let data;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true || value === false) made.toggleAttribute(key, value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }
  const button = (id, text, onclick, more = {}) => element("button", { type: "button", id, onclick, ...more }, text);
  const place = (name) => document.querySelector(`[data-chart=${name}]`);

  // Builds what stands around a chart; the chart itself is drawn by `paint`.
  function build(name) {
    const own = place(name), chart = CHARTS[name];
    if (!own) return;
    const tools = element("p", { class: "tools" });
    if (name === "learning_curves" && data.configurations.length > 1) {
      const box = element("input", { type: "checkbox", id: "overlay", onchange: ({ target }) => { state.overlay = target.checked; delete state.zoom[name]; paint(name); } });
      box.checked = state.overlay;
      tools.append(element("label", {}, box, " All in one panel"));
    }
    if (chart.zoom) {
      tools.append(
        button(`${name}-in`, "Zoom in", () => zoomBy(name, 0.5)), button(`${name}-out`, "Zoom out", () => zoomBy(name, 2)),
        button(`${name}-reset`, "Reset zoom", () => { delete state.zoom[name]; paint(name); }),
      );
    }
    const help = `${chart.title}. Arrow keys go from one to the next, Enter highlights its configuration${chart.zoom ? ", plus, minus and 0 zoom" : ""}. The tables on this page have the numbers.`;
    const plot = element("div", { class: "plot", id: `${name}-chart`, tabindex: "0", role: "group", "aria-label": help });
    const said = element("output", { class: "said", "aria-live": "polite" });
    own.replaceChildren(...(name === "slider" ? sliders() : []), tools, element("p", { class: "key" }), plot, said);
    if (!tools.childElementCount) tools.remove();
    own.hot = null;
    plot.addEventListener("keydown", (event) => keys(name, event));
    if (chart.zoom) drag(name, plot);
    plot.addEventListener("click", (event) => {
      const item = own.hot ?? itemOf(own.svg?.value);
      if (item && !own.dragged) pick(item.label === state.picked ? "" : item.label);
    });
    own.hidden = false;
    paint(name);
    own.closest("figure")?.classList.add("live");
  }

  function paint(name) {
    const own = place(name), plot = own?.querySelector(".plot");
    if (!plot) return;
    const svg = CHARTS[name].draw(Math.max(280, Math.round(Math.min(plot.clientWidth, 960))));
    svg.setAttribute("role", "img");
    svg.classList.add("drawn");
    svg.setAttribute("aria-label", CHARTS[name].title);
    // Plot names its layers, which have no role that could have a name.
    for (const layer of svg.querySelectorAll("g[aria-label]")) layer.removeAttribute("aria-label");
    svg.addEventListener("input", () => say(name, itemOf(svg.value), svg.value));
    plot.replaceChildren(svg);
    own.svg = svg;
    own.querySelector(".key").replaceChildren(...CHARTS[name].key().flatMap(([sign, text, ink]) => {
      const mark = element("b", { class: "drawn", "data-sign": sign });
      if (ink !== "currentColor") mark.style.color = ink;
      return [element("span", {}, mark, ` ${text}`), " "];
    }));
    const reset = document.getElementById(`${name}-reset`);
    if (reset) reset.disabled = !state.zoom[name];
    emphasise(name);
  }

  function emphasise(name) {
    const own = place(name);
    for (const mark of own?.querySelectorAll(".mark") ?? []) {
      const item = shownBy.get(mark);
      mark.classList.toggle("dim", Boolean(state.picked) && item.label !== state.picked);
      mark.classList.toggle("hot", Boolean(own.hot) && identity(item) === identity(own.hot) && mark.localName !== "text");
    }
  }

  // What the pointer or the keys are at, in words.
  function say(name, item, datum) {
    const own = place(name);
    own.hot = item ?? null;
    const at = item && datum?.step !== undefined ? `; at step ${datum.step}: ${datum.value}` : "";
    own.querySelector(".said").textContent = item ? item.text + at : "";
    emphasise(name);
  }

  // A figure as elements whose parts react. Identifiers in it are its own: figures share some.
  function unfold(image) {
    const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (one) => one.codePointAt(0));
    const svg = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml").documentElement;
    if (!svg.querySelector("[data-configuration]")) return;
    svg.removeAttribute("height");
    svg.setAttribute("width", "100%");
    svg.setAttribute("aria-hidden", "true");
    svg.addEventListener("click", (event) => {
      const shown = event.target.closest("[data-configuration]");
      if (!shown) return;
      // The figure itself is a link to its file.
      event.preventDefault();
      const label = shown.dataset.configuration;
      pick(label === state.picked ? "" : label);
    });
    const own = element("div", { class: "unfolded", role: "img", "aria-label": image.alt });
    own.attachShadow({ mode: "open" }).append(svg);
    image.replaceWith(own);
  }
  const unfolded = () => [...document.querySelectorAll(".unfolded")].flatMap((own) => [...own.shadowRoot.querySelectorAll("[data-configuration]")]);

  // Highlights a configuration in every chart, in every figure and in the table; none where the label is empty.
  function pick(label) {
    state.picked = label;
    const field = document.getElementById("highlight");
    if (field) field.value = label;
    for (const one of document.querySelectorAll(".pick")) {
      one.setAttribute("aria-pressed", String(one.textContent === label));
      one.closest("tr").classList.toggle("picked", one.textContent === label);
    }
    Object.keys(CHARTS).forEach(emphasise);
    for (const shown of unfolded()) shown.classList.toggle("dim", Boolean(label) && shown.dataset.configuration !== label);
  }

  function keys(name, event) {
    const own = place(name), items = CHARTS[name].items(), { key } = event;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step && items.length) {
      const at = own.hot ? items.findIndex((one) => identity(one) === identity(own.hot)) + step : step > 0 ? 0 : -1;
      say(name, items.at(at % items.length));
    } else if (key === "Enter" && own.hot) pick(own.hot.label === state.picked ? "" : own.hot.label);
    else if (key === "Escape") { say(name, null); pick(""); }
    else if (CHARTS[name].zoom && (key === "+" || key === "-")) zoomBy(name, key === "+" ? 0.5 : 2);
    else if (CHARTS[name].zoom && key === "0") { delete state.zoom[name]; paint(name); }
    else return;
    event.preventDefault();
  }

  // In about what the keys are at, or else about the middle; out until all is there.
  function zoomBy(name, factor) {
    const own = place(name), all = farthest(name), ends = CHARTS[name].ends(), zoom = {};
    for (const axis of CHARTS[name].zoom) {
      const [low, high] = own.svg.scale(axis).domain;
      const at = factor < 1 && own.hot ? CHARTS[name].at(own.hot, axis) : null;
      const middle = at ?? (low + high) / 2, half = ((high - low) * factor) / 2;
      zoom[axis] = [Math.max(all[axis][0], middle - half), Math.min(all[axis][1], middle + half)];
    }
    state.zoom[name] = zoom;
    if (Object.keys(zoom).every((axis) => String(zoom[axis]) === String(ends[axis]))) delete state.zoom[name];
    paint(name);
  }

  // A mouse that is dragged over a chart zooms to what it went over. Fingers scroll the page.
  function drag(name, plot) {
    const own = place(name);
    let from = null, box = null;
    const at = (event) => {
      const { left, top } = plot.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    plot.addEventListener("pointerdown", (event) => {
      own.dragged = false;
      // Plot would pin what it shows at the first click.
      event.stopPropagation();
      if (event.pointerType !== "touch" && event.button === 0) from = at(event);
    }, { capture: true });
    plot.addEventListener("pointermove", (event) => {
      if (!from) return;
      const to = at(event);
      if (!box && Math.hypot(to[0] - from[0], to[1] - from[1]) < 8) return;
      if (!box) {
        box = element("div", { class: "selection" });
        plot.append(box);
        plot.setPointerCapture(event.pointerId);
      }
      const sides = [0, 1].map((axis) => [Math.min(from[axis], to[axis]), Math.abs(from[axis] - to[axis])]);
      const [[left, wide], [top, tall]] = CHARTS[name].zoom === "x" ? [sides[0], [0, plot.clientHeight]] : sides;
      Object.assign(box.style, { left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${tall}px` });
    });
    const end = (event) => {
      if (box && event.type === "pointerup") {
        own.dragged = true;
        const to = at(event), zoom = {};
        for (const axis of CHARTS[name].zoom) {
          const of = axis === "x" ? 0 : 1;
          zoom[axis] = [from[of], to[of]].map((pixel) => value(own.svg, axis, pixel, from[of])).sort((a, b) => a - b);
        }
        if (Object.values(zoom).every(([low, high]) => high > low)) state.zoom[name] = zoom;
      }
      const drawn = box;
      from = box = null;
      if (drawn) paint(name);
    };
    plot.addEventListener("pointerup", end);
    plot.addEventListener("pointercancel", end);
  }

  // Of a place in a chart, within the panel in which the drag began.
  function value(svg, axis, pixel, began) {
    const scale = svg.scale(axis), panels = svg.scale(`f${axis}`), first = Math.min(...scale.range);
    const starts = (panels?.domain ?? []).map((panel) => panels.apply(panel));
    const moved = Math.max(first, ...starts.filter((start) => start <= began)) - first;
    const [low, high] = scale.domain;
    return Math.min(high, Math.max(low, scale.invert(pixel - moved)));
  }

  // Threshold and hold; the registered ones stay marked.
  function sliders() {
    const thresholds = [...new Set(criteria().map((one) => one.threshold))], holds = [...new Set(criteria().map((one) => one.hold))];
    const spoken = (threshold) => `${threshold}${threshold === data.threshold ? `, ${word()}` : ""}`;
    const said = element("p", { id: "by-criterion", "aria-live": "polite" });
    const slide = element("input", { type: "range", id: "threshold", min: 0, max: thresholds.length - 1, step: 1, list: "thresholds" });
    const shownAt = element("output", { for: "threshold", id: "threshold-said" });
    const hold = element("select", { id: "hold" }, ...holds.map((one) => element("option", { value: one }, `${one}${one === data.hold ? `, ${word()}` : ""}`)));
    const back = button("own-criterion", `Back to the ${word()} criterion`, () => set(data.threshold, data.hold));
    function set(threshold, held) {
      Object.assign(state, { threshold, hold: held });
      const now = chosen();
      slide.value = thresholds.indexOf(now.threshold);
      slide.setAttribute("aria-valuetext", spoken(now.threshold));
      shownAt.textContent = spoken(now.threshold);
      hold.value = now.hold;
      back.disabled = isOwn(now);
      const verdict = isOwn(now) ? `This is the ${word()} criterion, which alone decides.` : now.same ? "The same verdict." : "Another verdict.";
      const alone = isOwn(now) ? "" : ` Nothing is decided by it: the ${word()} criterion, ${data.threshold} held for ${data.hold}, stands.`;
      said.replaceChildren(element("b", {}, verdict), ` ${now.said.join(" ")}${alone}`);
      for (const name of ["slider", "learning_curves", "final_scores"]) paint(name);
    }
    slide.addEventListener("input", () => set(thresholds[slide.value], Number(hold.value)));
    hold.addEventListener("change", () => set(thresholds[slide.value], Number(hold.value)));
    const label = (text, of, ...more) => element("label", { for: of }, `${text} `, ...more);
    // The slider's chart is not there yet.
    queueMicrotask(() => set(chosen().threshold, chosen().hold));
    return [
      element("p", { class: "tools" },
        ...(thresholds.length > 1 ? [label("Threshold", "threshold"), slide, shownAt] : []),
        ...(holds.length > 1 ? [label("held for so many evaluations", "hold"), hold] : []), back),
      element("datalist", { id: "thresholds" }, ...thresholds.map((one, i) => element("option", { value: i, label: one }))),
      said,
    ];
  }

  function tools() {
    const own = place("tools");
    if (!own) return;
    const labels = data.configurations.map((one) => one.label);
    const field = element("select", { id: "highlight", onchange: ({ target }) => pick(target.value) },
      element("option", { value: "" }, "none"), ...labels.map((label) => element("option", { value: label }, label)));
    const left = data.left_out ? ` The charts show ${labels.length} configurations; ${data.left_out} more are in tables/.` : "";
    own.replaceChildren(element("p", { class: "tools" }, element("label", {}, "Highlight ", field),
      element("span", {}, `${matchMedia("(hover: hover)").matches ? "Hover names a seed, a click highlights its configuration in every figure, a drag zooms." : "A tap names a seed, and highlights its configuration in every figure; buttons zoom."}${left}`)));
    own.hidden = false;
    for (const head of document.querySelectorAll("#configurations tbody th")) {
      const label = head.textContent;
      if (!labels.includes(label) || head.firstElementChild) continue;
      head.replaceChildren(element("button", { type: "button", class: "pick", "aria-pressed": "false", title: "Highlight in the charts", onclick: () => pick(label === state.picked ? "" : label) }, label));
    }
    if (!labels.includes(state.picked)) state.picked = "";
  }

  function draw(fresh) {
    seedsweepPlots.read(fresh);
    data = fresh;
    tools();
    for (const name of Object.keys(CHARTS)) {
      if (name === "slider" && !criteria().length) continue;
      try {
        build(name);
      } catch (error) {
        // The figure is there.
        place(name)?.replaceChildren();
        place(name)?.closest("figure")?.classList.remove("live");
        console.error(error);
      }
    }
    for (const image of document.querySelectorAll(".still img")) if (!image.closest(".live")) unfold(image);
    pick(state.picked);
  }

  let wide = 0;
  new ResizeObserver(() => {
    if (main.clientWidth === wide) return;
    wide = main.clientWidth;
    if (data) Object.keys(CHARTS).forEach(paint);
  }).observe(main);
  return draw;
})();
seedsweepCharts(JSON.parse(document.getElementById("data").textContent));
