// Draws every figure of the page from the JSON beside it, in the colours of the reader's scheme.
(() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const templates = json("templates");
  const nodes = [...document.querySelectorAll(".plot")];
  document.documentElement.classList.add("scripted");

  const draw = (node) => {
    const { data, layout } = json(`${node.dataset.figure}-data`);
    layout.template = templates[dark.matches ? "dark" : "light"];
    return Plotly.react(node, data, layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: node.dataset.figure },
    });
  };
  const drawAll = async () => {
    for (const node of nodes) await draw(node);
    document.documentElement.dataset.ready = String(nodes.length);
  };
  dark.addEventListener("change", drawAll);
  drawAll();
})();
