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

/** @param {HTMLElement} node */
const draw = async (node) => {
  const { figure } = node.dataset;
  const { data, layout } = json(`${figure}-data`);
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
