"use strict";
// The charts, from the numbers in the page, which Python computed.
const seedsweepPlots = (() => {
  const Plot = window.Plot;
  const MANY = 9, NARROW = 560, GREY = "#6b7280";
  // As in the figures: its tip is below.
  const DOWN = { draw(context, size) {
    const side = Math.sqrt(size) * 0.6824;
    context.moveTo(0, side); context.lineTo(side * 0.866, -side / 2); context.lineTo(-side * 0.866, -side / 2); context.closePath();
  } };
  const SYMBOLS = { converged: "circle", fell_back: DOWN, never: "times", diverged: "plus" };
  const SIGNS = { converged: "●", fell_back: "▼", never: "×", diverged: "✚" };
  // What the reader has chosen; it stays when new results come in.
  const state = { picked: "", overlay: false, threshold: null, hold: null, zoom: {} };
  let data, seeds, points, medians;

  // Of many no colours could be told apart: a highlight does that.
  const colour = (place) => (data.configurations.length > MANY ? GREY : data.configurations[place].colour);
  const shown = (number) => (number === null ? "none" : String(number));
  const percent = (number) => `${Math.round(100 * number)} %`;
  const outcome = (name) => data.outcomes[name].colour;
  const itemOf = (datum) => datum?.item ?? datum;
  const identity = (item) => item.key ?? item.label;

  // Elements of charts, and the seed or the configuration that each shows.
  const shownBy = new WeakMap();
  const tied = (mark, items, options) =>
    mark(items, {
      ...options,
      render(index, scales, values, dimensions, context, next) {
        const layer = next(index, scales, values, dimensions, context);
        for (const one of layer.querySelectorAll("path, circle, line, text")) {
          // Plot binds the place of its datum, or of a line the places of its points.
          const bound = one.__data__, item = itemOf(items[bound?.length ? bound.find((i) => i >= 0) : bound]);
          if (!item) continue;
          shownBy.set(one, item);
          one.classList.add("mark");
        }
        return layer;
      },
    });

  function read(fresh) {
    // A zoom is between places on the axes.
    if (data && JSON.stringify(data.scale) !== JSON.stringify(fresh.scale)) state.zoom = {};
    data = fresh;
    seeds = data.configurations.flatMap((one, place) => one.seeds.map((seed, i) => {
      const text = `${one.label}, seed ${seed}: ${data.outcomes[one.outcomes[i]].label}`;
      const since = one.converged_at[i] === null ? "" : ` for good at step ${one.converged_at[i]}`;
      return {
        place, label: one.label, seed, outcome: one.outcomes[i], score: one.scores[i], line: one.lines[i],
        key: `${place}/${seed}`, text: `${text}${since}; ${data.score} ${shown(one.scores[i])}`,
        tip: `${one.label}, seed ${seed}\n${data.outcomes[one.outcomes[i]].label}${since}\n${data.score} ${shown(one.scores[i])}`,
        // Spread over the row by the seed's place, not at random.
        at: place + ((i + 1) / (one.seeds.length + 1) - 0.5) * 0.5,
      };
    }));
    const along = (item, [steps, values]) => values.map((value, i) => ({ item, step: data.steps[steps][i], value }));
    points = seeds.filter((item) => item.line).flatMap((item) => along(item, item.line));
    medians = data.configurations.flatMap((one, place) => (one.median ? along({ place, label: one.label }, one.median) : []));
    for (const [i, one] of data.configurations.entries()) {
      const [p, low, high] = one.p;
      const share = `${one.converged} of ${one.members} seeds converged, ${percent(p)} (95 % interval ${percent(low)} to ${percent(high)})`;
      Object.assign(one, { place: i, text: `${one.label}: ${share}; median ${data.score} ${shown(one.median_score[0])}` });
    }
  }

  const criteria = () => data.criteria?.grid ?? [];
  const isOwn = (one) => one.threshold === data.threshold && one.hold === data.hold;
  const chosen = () =>
    criteria().find((one) => one.threshold === state.threshold && one.hold === state.hold) ?? criteria().find(isOwn);
  const other = () => (chosen() && chosen().threshold !== data.threshold ? [chosen().threshold] : []);
  function range(numbers, part) {
    const [low, high] = window.d3.extent(numbers), more = part * (high - low || Math.abs(high) || 1);
    return [low - more, high + more];
  }

  // Places of scores on an axis, as in the figures: where scores pile up at their good end, by the logarithm of the distance to it.
  function forward(score) {
    const { end, least, sign } = data.scale;
    return end === null || score === null ? score : -sign * Math.log10(Math.max(sign * (end - score), -0.9 * least) + least);
  }
  function inverse(place) {
    const { end, least, sign } = data.scale;
    return end === null ? place : end - sign * (10 ** (-sign * place) - least);
  }

  // An axis of scores between two places, with ticks that are some pixels apart at least.
  function scoreAxis(domain, label, pixels, apart) {
    const { end, sign, word } = data.scale, axis = { domain, label: label + word, labelAnchor: "center", labelArrow: "none", grid: true };
    if (end === null) return { ...axis, ticks: Math.min(8, pixels / apart) };
    const [low, high] = domain, away = window.d3.range(-6, 7).flatMap((power) => [1, 2, 5].map((round) => round * 10 ** power));
    let scores = [];
    for (const score of [0, ...away].map((distance) => +(end - sign * distance).toPrecision(10))) {
      const place = forward(score), before = scores.length ? forward(scores.at(-1)) : Infinity;
      if (within(place, domain) && Math.abs(place - before) >= (apart / pixels) * (high - low)) scores.push(score);
    }
    // A reader may have zoomed in between round distances.
    if (scores.length < 3) scores = window.d3.ticks(inverse(low), inverse(high), Math.min(8, pixels / apart));
    return { ...axis, transform: forward, ticks: scores.map(forward), tickFormat: (_, i) => String(scores[i]) };
  }

  const SHARES = { x: [-0.02, 1.02] };
  const shareAxis = (name) => ({ domain: (state.zoom[name] ?? SHARES).x, label: "P(converge), with its 95 % interval", labelAnchor: "center", labelArrow: "none", grid: true, ticks: 5 });

  // Rows by configuration: names beside them, or above where the page is narrow.
  function rows(width, items, y = (one) => one.place) {
    const names = { y, text: (one) => one.short ?? one.label, textOverflow: "ellipsis", fill: "currentColor" };
    if (width < NARROW) return [Plot.text(items, { ...names, frameAnchor: "left", textAnchor: "start", dy: -24, lineWidth: width / 14 })];
    return [Plot.text(items, { ...names, frameAnchor: "left", textAnchor: "end", dx: -10, lineWidth: 15 })];
  }
  const rowFrame = (width, count, every = 34) => ({
    width, height: (width < NARROW ? every + 22 : every) * count + 70, marginBottom: 44, marginLeft: width < NARROW ? 8 : 190, marginRight: 20,
    y: { axis: null, domain: [-0.6, count - 0.4], reverse: true },
  });
  const tip = (items, options) =>
    Plot.tip(items, { className: "tip", fill: "var(--paper)", stroke: "var(--line)", lineWidth: 24, lineHeight: 1.25, title: (one) => itemOf(one).tip ?? itemOf(one).text, ...options });

  function pConverge(width) {
    const every = data.configurations;
    const x = shareAxis("p_converge"), seen = every.filter((one) => within(one.p[0], x.domain));
    return Plot.plot({
      ...rowFrame(width, every.length), x,
      marks: [
        ...rows(width, every),
        tied(Plot.link, every, { x1: (one) => one.p[1], x2: (one) => one.p[2], y1: "place", y2: "place", stroke: "currentColor", strokeWidth: 2, clip: true }),
        tied(Plot.dot, seen, { x: (one) => one.p[0], y: "place", r: 5, fill: "currentColor", symbol: (one) => (one.kind === "search" ? "diamond" : one.kind === "exploratory" ? "square" : "circle") }),
        Plot.text(seen, { x: (one) => one.p[0], y: "place", text: (one) => `${one.converged}/${one.members}`, dy: -11, fill: "currentColor" }),
        tip(seen, Plot.pointerY({ x: (one) => one.p[0], y: "place", maxRadius: 25 })),
      ],
    });
  }

  function finalScores(width) {
    const every = data.configurations;
    const domain = state.zoom.final_scores?.x ?? endsOfScores().x, frame = rowFrame(width, every.length, 44);
    const median = (one) => one.median_score[0];
    return Plot.plot({
      ...frame, x: scoreAxis(domain, data.score, width - frame.marginLeft - frame.marginRight, 70),
      symbol: { domain: Object.keys(SYMBOLS), range: Object.values(SYMBOLS) },
      marks: [
        ...rows(width, every, (one) => one.place),
        Plot.ruleX([data.threshold], { strokeDasharray: "2 3", clip: true }),
        Plot.ruleX(other(), { stroke: "var(--accent)", strokeDasharray: "6 3", clip: true }),
        tied(Plot.dot, seeds, { x: "score", y: "at", symbol: "outcome", stroke: (one) => outcome(one.outcome), fill: (one) => (["converged", "fell_back"].includes(one.outcome) ? outcome(one.outcome) : "none"), r: 4, clip: true }),
        tied(Plot.link, every, { x1: median, x2: median, y1: (one) => one.place - 0.33, y2: (one) => one.place + 0.33, stroke: "currentColor", strokeWidth: 2.5, clip: true }),
        tip(seeds.filter((one) => within(forward(one.score), domain)), Plot.pointer({ x: "score", y: "at", maxRadius: 25 })),
      ],
    });
  }

  const within = (number, [low, high]) => number !== null && number >= low && number <= high;
  // What a chart shows of its axes until it is zoomed. The end is on a stretched axis: it shows how far from it scores are.
  const endsOf = (scores, part) => range([data.threshold, data.scale.end, ...scores].map(forward), part);
  const endsOfScores = () => ({ x: endsOf(seeds.map((one) => one.score), 0.05) });
  // Curves: within the ends of the metric, or what all but a hundredth of the evaluations reach.
  function endsOfCurves() {
    const [low, high] = data.span;
    return { x: [0, data.budget], y: endsOf(points.map((one) => (one.value === null ? null : Math.min(high, Math.max(low, one.value)))), 0.04) };
  }
  // As far as one may zoom out: all that there is.
  function farthest(name) {
    const ends = CHARTS[name].ends();
    return ends.y ? { ...ends, y: window.d3.extent([...ends.y, ...points.map((one) => forward(one.value))]) } : ends;
  }

  function curves(width) {
    const every = data.configurations, columns = Math.max(1, Math.min(3, every.length, Math.floor(width / 230)));
    const facet = state.overlay ? {} : { fx: (one) => itemOf(one).place % columns, fy: (one) => Math.floor(itemOf(one).place / columns) };
    const lined = (of) => points.filter((point) => (point.item.outcome === "converged") === of);
    const { x, y } = state.zoom.learning_curves ?? endsOfCurves();
    const line = { x: "step", y: "value", z: (point) => point.item.key, clip: true, ...facet };
    const tall = state.overlay ? 440 : 170 * Math.ceil(every.length / columns) + 50;
    const direct = state.overlay && width >= NARROW && every.length <= MANY;
    const stroke = (point) => (state.overlay ? colour(point.item.place) : outcome(point.item.outcome));
    const titles = every.map((one) => ({ item: one, text: `${one.short}: ${one.converged}/${one.members}` }));
    return Plot.plot({
      width, height: tall, marginTop: state.overlay ? 14 : 24, marginLeft: 62, marginRight: direct ? 180 : 14, marginBottom: 42,
      x: { domain: x, label: "training step", labelAnchor: "center", labelArrow: "none", ticks: Math.max(3, Math.min(6, width / columns / 70)) }, y: scoreAxis(y, data.metric, state.overlay ? tall - 56 : 120, 22),
      fx: { axis: null, padding: 0.12 }, fy: { axis: null, padding: 0.24 },
      marks: [
        Plot.frame({ stroke: "var(--line)" }),
        Plot.ruleY([data.threshold], { strokeDasharray: "2 3", clip: true }),
        Plot.ruleY(other(), { stroke: "var(--accent)", strokeDasharray: "6 3", clip: true }),
        tied(Plot.line, lined(false), { ...line, stroke, strokeWidth: 1, strokeDasharray: "4 3", strokeOpacity: 0.75 }),
        tied(Plot.line, lined(true), { ...line, stroke, strokeWidth: 1, strokeOpacity: 0.75 }),
        tied(Plot.line, medians, { ...line, z: (point) => point.item.place, stroke: state.overlay ? stroke : "currentColor", strokeWidth: state.overlay ? 3 : 2.2 }),
        state.overlay ? null : Plot.text(titles, { ...facet, text: "text", frameAnchor: "top-left", dy: -14, lineWidth: (width - 76) / columns / 13, textOverflow: "ellipsis", fill: "currentColor", fontWeight: 600 }),
        direct ? tied(Plot.text, apart(x, y, tall - 56), { x: x[1], y: "at", text: "label", dx: 8, textAnchor: "start", lineWidth: 13, textOverflow: "ellipsis", fill: (one) => colour(one.place), fontWeight: 600 }) : null,
        tip(points.filter((point) => within(point.step, x) && within(forward(point.value), y)), Plot.pointer({ x: "step", y: "value", title: (point) => `${point.item.tip}\nat step ${point.step}: ${data.metric} ${point.value}`, maxRadius: 30, ...facet })),
      ],
    });
  }

  // Names where the medians leave the panel on the right, moved apart.
  function apart([, last], [low, high], tall) {
    const least = (15 / tall) * (high - low);
    const end = ([steps, values]) => values[Math.max(0, window.d3.bisectRight(data.steps[steps], last) - 1)];
    const ends = data.configurations.filter((one) => one.median).map((one) => ({ ...one, at: Math.min(high, Math.max(low, forward(end(one.median)))) }));
    ends.sort((a, b) => b.at - a.at);
    for (let i = 1; i < ends.length; i++) ends[i].at = Math.min(ends[i].at, ends[i - 1].at - least);
    const below = ends.length ? Math.max(0, low - ends.at(-1).at) : 0;
    return ends.map((one) => ({ ...one, at: inverse(one.at + below) }));
  }

  function judgedBy(grid) {
    return data.criteria.labels.map((label, place) => {
      const [k, n, p, low, high] = grid.shares[place];
      return { label, place, p, low, high, text: `${label}: ${k} of ${n} seeds at or ${data.side} ${grid.threshold}, held for ${grid.hold}: ${percent(p)} (${percent(low)} to ${percent(high)})` };
    });
  }

  function byCriterion(width) {
    const own = judgedBy(criteria().find(isOwn)), now = judgedBy(chosen());
    const x = shareAxis("slider"), seen = (every) => every.filter((one) => within(one.p, x.domain));
    return Plot.plot({
      ...rowFrame(width, now.length, 36), x,
      marks: [
        ...rows(width, now),
        tied(Plot.link, own, { x1: "low", x2: "high", y1: (one) => one.place - 0.17, y2: (one) => one.place - 0.17, stroke: GREY, clip: true }),
        tied(Plot.dot, seen(own), { x: "p", y: (one) => one.place - 0.17, stroke: GREY, fill: "var(--paper)", r: 4, strokeWidth: 1.5 }),
        tied(Plot.link, now, { x1: "low", x2: "high", y1: (one) => one.place + 0.12, y2: (one) => one.place + 0.12, stroke: "var(--accent)", strokeWidth: 2, clip: true }),
        tied(Plot.dot, seen(now), { x: "p", y: (one) => one.place + 0.12, fill: "var(--accent)", r: 5 }),
        tip(seen(now), Plot.pointerY({ x: "p", y: "place", maxRadius: 25 })),
      ],
    });
  }

  const word = () => (data.registered ? "registered" : data.own);
  const outcomes = (sign) => Object.entries(data.outcomes).filter(([name]) => seeds.some((one) => one.outcome === name)).map(([name, { label, colour }]) => [sign(name), label, colour]);
  // Curves that leave the panel do so without a word else.
  function beyond() {
    const { y } = state.zoom.learning_curves ?? endsOfCurves();
    const left = points.some((point) => point.value !== null && !within(forward(point.value), y));
    return left ? [["↕", "some curves leave the panel; zoom out to see all of them", "currentColor"]] : [];
  }
  const threshold = () => ["┄", `the ${word()} threshold, ${data.threshold}`, "currentColor"];
  const CHARTS = {
    p_converge: { title: "P(converge) of each configuration", draw: pConverge, items: () => data.configurations, zoom: "x", ends: () => SHARES, at: (one) => one.p[0], key: () => [["●", "converged/seeds above; lines: exact 95 % intervals, each for itself", "currentColor"], ["◆", "found by the search", "currentColor"]].slice(0, data.configurations.some((one) => one.kind === "search") ? 2 : 1) },
    learning_curves: { title: "Learning curve of each seed", draw: curves, items: () => seeds.filter((one) => one.line), zoom: "xy", ends: endsOfCurves, at: (one, axis) => (axis === "y" ? forward(one.score) : null), key: () => [
      ...(state.overlay ? [["╌", "did not converge", "currentColor"]] : outcomes((name) => (name === "converged" ? "—" : "╌"))), ["━", "median of all seeds", "currentColor"], threshold(), ...beyond()] },
    final_scores: { title: "Score of each seed", draw: finalScores, items: () => seeds, zoom: "x", ends: endsOfScores, at: (one) => forward(one.score), key: () => [...outcomes((name) => SIGNS[name]), ["|", "median", "currentColor"], threshold()] },
    slider: { title: "P(converge) by another criterion", draw: byCriterion, items: () => judgedBy(chosen()), zoom: "x", ends: () => SHARES, at: (one) => one.p, key: () => [["●", `by ${chosen().threshold}, held for ${chosen().hold}`, "var(--accent)"], ["○", `by the ${word()} criterion`, "currentColor"]] },
  };

  return { CHARTS, state, read, forward, farthest, shownBy, identity, itemOf, criteria, isOwn, chosen, word };
})();
