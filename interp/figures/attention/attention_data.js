// A view of attention as numbers: levels of every head and variant, weights, matches, and cells pooled to pixels.
// A pattern is a lower triangle, row after row: cell (query, key) is number query (query + 1) / 2 + key.
const attentionData = (() => {
  const UNSIGNED = 255, SIGNED = 127;
  const LEAST = 0.0005; // what three digits show
  const cell = (query, key) => (query * (query + 1)) / 2 + key;

  // Weights that every level stands for; weights grow with the square of the level.
  const weightsOf = (signed) => Float32Array.from({ length: 256 }, (_, level) => {
    const share = signed ? (level - SIGNED - 1) / SIGNED : level / UNSIGNED;
    return Math.abs(share) * share;
  });
  const TABLES = { true: weightsOf(true), false: weightsOf(false) };

  const inflate = async (text) => {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // The value of an array within the view's JSON, which holds the array's key in its place.
  const open = (node) => {
    const { view, arrays, scales } = JSON.parse(node.querySelector(".view-json").textContent);
    const texts = [...node.querySelectorAll(".view-pattern")];
    const values = (field) => arrays[field.array].values;
    const size = view.labels.length, cells = cell(size, 0), levels = new Map();

    return {
      view, size,
      source: values(view.source),
      tokens: values(view.tokens),
      probability: view.variants.map((variant) => values(variant.probability)),
      strips: view.variants.map(({ strips }) => strips.map(({ name, value }) => ({ name, value: values(value) }))),
      // Decoded when first asked for, and kept.
      async load(variant) {
        if (!levels.has(variant)) levels.set(variant, await inflate(texts[variant].textContent));
      },
      // A function (query, key) -> weight of one head; with `less`, its change from another variant.
      reader(variant, head, less = null) {
        const bytes = levels.get(variant).subarray(head * cells, (head + 1) * cells);
        const table = TABLES[view.variants[variant].signed], scale = scales[variant][head];
        if (less === null) return (query, key) => table[bytes[cell(query, key)]] * scale;
        const before = this.reader(less, head);
        return (query, key) => table[bytes[cell(query, key)]] * scale - before(query, key);
      },
    };
  };

  // Length of the longest common suffix of the tokens up to each query and up to each earlier key.
  const matches = (tokens) => {
    const length = new Uint16Array(cell(tokens.length, 0));
    for (let query = 1; query < tokens.length; query++)
      for (let key = 0; key < query; key++)
        if (tokens[query] === tokens[key])
          length[cell(query, key)] = 1 + (key > 0 ? length[cell(query - 1, key - 1)] : 0);
    // An n-gram lookup attends from the query to what followed an earlier place: to key where the match ends before it.
    return (query, key) => (key > 0 && key <= query ? length[cell(query, key - 1)] : 0);
  };

  // A square window of cells as at most `pixels` squared numbers: of several cells the one furthest from zero, so that
  // no stripe vanishes. Cells above the diagonal are NaN.
  const pooled = (read, window, pixels, hideFirst) => {
    const { query: top, key: left, span } = window, side = Math.min(span, pixels);
    const out = new Float32Array(side * side).fill(NaN);
    for (let query = top; query < top + span; query++) {
      const row = Math.floor(((query - top) * side) / span) * side;
      for (let key = Math.max(left, hideFirst ? 1 : 0); key <= Math.min(query, left + span - 1); key++) {
        const at = row + Math.floor(((key - left) * side) / span), value = read(query, key);
        if (!(Math.abs(out[at]) >= Math.abs(value))) out[at] = value;
      }
    }
    return { side, values: out };
  };

  // The `count` keys of a query, or queries of a key, with the weights furthest from zero.
  const strongest = (pairs, count) =>
    pairs.filter(([, weight]) => Math.abs(weight) >= LEAST).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, count);

  return { open, matches, pooled, strongest, cell };
})();
