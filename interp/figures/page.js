// @ts-check
// Draws every figure of the page from the JSON beside it, in the colours of the reader's scheme.

/** plotly.js: a file beside the page, or packed within it; the page's policy lets its text run by its hash. */
const plotly = async () => {
  const packed = document.getElementById("plotly")?.textContent;
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
const templates = json("templates");
const nodes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".plot")]);

/** Width in pixels below which panels that stand side by side are put one below the other. */
const NARROW = 600;
/** Space between two panels, for a title and an axis, as a share of the height. */
const GAP = 0.2;

/**
 * Put the panels of a figure one below the other, each as wide as the page, with its title.
 * @param {any} layout
 * @returns {number} how many there are; 1 where nothing was moved
 */
const stack = (layout) => {
  const names = Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name));
  const panels = names.map((name) => ({ x: layout[name], y: layout[`y${name.slice(1)}`] }));
  const whole = panels.every(({ x, y }) => x.domain && y?.domain);
  if (!whole || panels.every(({ x }) => x.domain[0] === panels[0].x.domain[0])) return 1;
  panels.sort((one, two) => two.y.domain[1] - one.y.domain[1] || one.x.domain[0] - two.x.domain[0]);
  const height = (1 - GAP * (panels.length - 1)) / panels.length;
  panels.forEach(({ x, y }, index) => {
    const top = 1 - index * (height + GAP);
    const middle = (x.domain[0] + x.domain[1]) / 2;
    for (const note of layout.annotations ?? []) {
      const above = note.xref === "paper" && note.yref === "paper" && !note.moved;
      if (above && Math.abs(note.x - middle) < 0.01 && Math.abs(note.y - y.domain[1]) < 0.01)
        Object.assign(note, { x: 0.5, y: top, moved: true });
    }
    x.domain = [0, 1];
    y.domain = [top - height, top];
  });
  for (const note of layout.annotations ?? []) delete note.moved;
  return panels.length;
};

/** @param {HTMLElement} node */
const draw = async (node) => {
  const { figure } = node.dataset;
  const { data, layout } = json(`${figure}-data`);
  const bars = data.some((/** @type {any} */ trace) => trace.colorbar || trace.marker?.colorbar) || layout.coloraxis;
  const panels = node.clientWidth < NARROW && !bars ? stack(layout) : 1;
  if (panels > 1) {
    layout.height = 120 + 230 * panels;
    node.style.height = `${layout.height}px`;
  }
  layout.template = templates[dark.matches ? "dark" : "light"];
  return (await ready).react(node, data, layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg", filename: figure },
  });
};
const drawAll = async () => {
  for (const node of nodes) await draw(node);
  document.documentElement.dataset.ready = String(nodes.length);
};

document.documentElement.classList.add("scripted");
dark.addEventListener("change", drawAll);
drawAll();
