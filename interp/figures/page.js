// @ts-check
// Draws every figure of the page from the JSON beside it, in the colours of the reader's scheme.

/** plotly.js, which stands before this script on the page. */
const { Plotly } = /** @type {any} */ (globalThis);

/** @param {string} id */
const json = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "");
const dark = matchMedia("(prefers-color-scheme: dark)");
const templates = json("templates");
const nodes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".plot")]);

/** @param {HTMLElement} node */
const draw = (node) => {
  const { figure } = node.dataset;
  const { data, layout } = json(`${figure}-data`);
  layout.template = templates[dark.matches ? "dark" : "light"];
  return Plotly.react(node, data, layout, {
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
