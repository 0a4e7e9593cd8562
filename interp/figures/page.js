// @ts-check
// Draws every figure of the page from the JSON beside it, in the colours of the reader's scheme.

/** plotly.js: a file beside the page, or packed within it; the page's policy lets its text run by its hash. */
const plotly = async () => {
  const packed = document.getElementById("plotly")?.textContent ?? /** @type {any} */ (globalThis).plotlyPacked;
  if (packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }
  return /** @type {any} */ (globalThis).Plotly;
};
const ready = plotly();

/** @param {string} id */
const json = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "");
const dark = matchMedia("(prefers-color-scheme: dark)");
const { swaps, ...templates } = json("templates");
/** Figures are made in the colours of a light page. */
const COLOR = /#[0-9A-F]{6}|rgba\(\d+, \d+, \d+/g;
/** @param {string} figure */
const figureJson = (figure) => {
  const text = document.getElementById(`${figure}-data`)?.textContent ?? "";
  return JSON.parse(dark.matches && !printing ? text.replace(COLOR, (color) => swaps[color] ?? color) : text);
};
/** Whether the page is being printed: on paper, in the colours of a light page and as wide as a sheet. */
let printing = false;
const SHEET = 680;
const nodes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".plot")]);

/** Width in pixels below which panels that stand side by side are put one below the other. */
const NARROW = 600;
/** Height of a panel, and of a row of one that names its rows, and space between two, for a title and an axis, in pixels. */
const PANEL = 190;
const ROW = 17;
const GAP = 90;
/** Name of annotations at the ends of lines (`ends.py`), and the space between two of them, in pixels. */
const END = "line-end";
const ROOM = 15;

/**
 * Move places along a line as little as can be until any two are ROOM apart, in their order.
 * @param {number[]} places counted downwards
 * @param {number} lowest none lies below it
 */
const apart = (places, lowest) => {
  const order = places.map((_, i) => i).sort((a, b) => places[a] - places[b] || a - b);
  /** @type {[number, number][]} mean and size of blocks that would overlap */
  const blocks = [];
  order.forEach((index, rank) => {
    blocks.push([places[index] - rank * ROOM, 1]);
    while (blocks.length > 1 && blocks[blocks.length - 2][0] > blocks[blocks.length - 1][0]) {
      const [[one, n], [other, m]] = blocks.splice(-2);
      blocks.push([(one * n + other * m) / (n + m), n + m]);
    }
  });
  const means = blocks.flatMap(([mean, size]) => Array(size).fill(mean));
  const kept = [...places];
  order.forEach((index, rank) => {
    kept[index] = Math.min(means[rank] + rank * ROOM, lowest - (places.length - 1 - rank) * ROOM);
  });
  return kept;
};

/**
 * Keep the names at the ends of lines apart, now that the heights of the panels are known.
 * @param {any} node
 */
const nameEnds = (node) => {
  const notes = node.layout.annotations ?? [];
  /** @type {Record<string, number[]>} */
  const panels = {};
  notes.forEach((/** @type {any} */ note, /** @type {number} */ i) => {
    if (note.name === END) panels[note.yref] = [...(panels[note.yref] ?? []), i];
  });
  /** @type {Record<string, number>} */
  const moves = {};
  for (const [ref, some] of Object.entries(panels)) {
    const axis = node._fullLayout[`yaxis${ref.slice(1)}`];
    const places = some.map((i) => axis.r2p(notes[i].y));
    const kept = apart(places, axis._length - ROOM / 2);
    some.forEach((i, at) => {
      moves[`annotations[${i}].yshift`] = places[at] - kept[at];
    });
  }
  return Object.keys(moves).length > 0 ? /** @type {any} */ (globalThis).Plotly.relayout(node, moves) : null;
};

/**
 * Move titles that leave the figure on its right back into it: beside long names of rows a panel is narrow.
 * @param {any} node
 */
const keepTitles = (node) => {
  const { right } = node.getBoundingClientRect();
  /** @type {Record<string, number>} */
  const moves = {};
  for (const note of node.querySelectorAll(".annotation")) {
    const { index } = note.dataset;
    const { name, xref } = node.layout.annotations[index];
    const over = note.querySelector(".annotation-text").getBoundingClientRect().right - right;
    if (xref === "paper" && name !== END && over > 0) moves[`annotations[${index}].xshift`] = -over;
  }
  return Object.keys(moves).length > 0 ? /** @type {any} */ (globalThis).Plotly.relayout(node, moves) : null;
};

/**
 * Put the panels of a figure one below the other, each as wide as the page, with its title.
 * @param {any} layout
 * @returns {number} the height of them all; 0 where nothing was moved
 */
const stack = (layout) => {
  const names = Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name));
  const panels = names.map((name) => ({ x: layout[name], y: layout[`y${name.slice(1)}`] }));
  const laid = panels.every(({ x, y }) => x.domain && y?.domain);
  if (!laid || panels.every(({ x }) => x.domain[0] === panels[0].x.domain[0])) return 0;
  panels.sort((one, two) => two.y.domain[1] - one.y.domain[1] || one.x.domain[0] - two.x.domain[0]);
  const heights = panels.map(({ y }) => Math.max(PANEL, ROW * (y.ticktext?.length ?? 0)));
  const whole = heights.reduce((sum, height) => sum + height + GAP, -GAP);
  let top = 1;
  panels.forEach(({ x, y }, index) => {
    const height = heights[index] / whole;
    const middle = (x.domain[0] + x.domain[1]) / 2;
    for (const note of layout.annotations ?? []) {
      const above = note.xref === "paper" && note.yref === "paper" && !note.moved;
      if (above && Math.abs(note.x - middle) < 0.01 && Math.abs(note.y - y.domain[1]) < 0.01)
        Object.assign(note, { x: 0.5, y: top, moved: true });
    }
    x.domain = [0, 1];
    if (y.showticklabels === false) y.showticklabels = true;
    y.domain = [Math.max(0, top - height), top];
    top -= height + GAP / whole;
  });
  for (const note of layout.annotations ?? []) delete note.moved;
  return whole;
};

/** @param {HTMLElement} node */
const draw = async (node) => {
  const { figure } = node.dataset;
  const { data, layout } = figureJson(figure ?? "");
  const upright = (/** @type {any} */ bar) => bar && bar.orientation !== "h";
  const bars =
    data.some((/** @type {any} */ trace) => upright(trace.colorbar ?? trace.marker?.colorbar)) ||
    upright(layout.coloraxis?.showscale === false ? null : layout.coloraxis?.colorbar);
  const stacked = node.clientWidth < NARROW && !bars ? stack(layout) : 0;
  if (stacked > 0) {
    layout.height = layout.margin.t + layout.margin.b + stacked;
    node.style.height = `${layout.height}px`;
  }
  layout.template = templates[dark.matches && !printing ? "dark" : "light"];
  if (printing) Object.assign(layout, { width: SHEET, autosize: false });
  // Without a wait where plotly is there: what is drawn before printing must be drawn at once.
  const library = /** @type {any} */ (globalThis).Plotly ?? (await ready);
  const drawn = library.react(node, data, layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg", filename: figure },
  });
  const named = nameEnds(node);
  await drawn;
  await named;
  await keepTitles(node);
};
const drawAll = async () => {
  for (const node of nodes) await draw(node);
  document.documentElement.dataset.ready = String(nodes.length);
};

document.documentElement.classList.add("scripted");
dark.addEventListener("change", drawAll);
/** What was folded and is opened on paper. @type {HTMLDetailsElement[]} */
let folded = [];
/** @param {boolean} now */
const print = (now) => {
  printing = now;
  if (now) folded = /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll("details:not([open], .help)")]);
  for (const details of folded) details.open = now;
  for (const node of nodes) draw(node);
};
addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));
drawAll();
