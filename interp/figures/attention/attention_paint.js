// Paints a view of attention: colours, cells, axes, marks, strips, the colour bar, and a head's response curve.
const attentionPaint = (() => {
  const ORANGE = {
    light: [[253, 252, 250], [247, 205, 165], [213, 94, 0], [84, 30, 0]],
    dark: [[21, 23, 27], [92, 46, 14], [224, 112, 24], [255, 222, 184]],
  };
  const BLUE = {
    light: [[253, 252, 250], [166, 205, 236], [42, 130, 196], [8, 48, 84]],
    dark: [[21, 23, 27], [18, 62, 98], [62, 148, 214], [205, 232, 252]],
  };
  const INK = {
    light: { text: "#1d1f23", muted: "#565b63", match: "#00795a", source: "#1d1f23", cross: "#1f6aa5", above: [238, 235, 228] },
    dark: { text: "#e7e5e0", muted: "#b4b8bf", match: "#3fd0a3", source: "#e7e5e0", cross: "#6fb3e8", above: [32, 35, 40] },
  };
  const MONO = 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
  const SANS = 'system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif';

  const between = (ramp, share) => {
    const at = Math.min(share, 1) * (ramp.length - 1), low = Math.min(Math.floor(at), ramp.length - 2);
    return ramp[low].map((from, i) => Math.round(from + (ramp[low + 1][i] - from) * (at - low)));
  };
  const rgb = (color) => `rgb(${color.join(",")})`;

  const ground = (theme) => rgb(ORANGE[theme][0]);

  // Colour goes with the square root of the weight: small weights, of which a row has most, are still seen.
  const STEPS = 512;
  const table = (ramp) => Array.from({ length: STEPS + 1 }, (_, i) => between(ramp, i / STEPS));
  const TABLES = Object.fromEntries(["light", "dark"].map((theme) => [theme, { up: table(ORANGE[theme]), down: table(BLUE[theme]) }]));
  const shade = (value, largest, theme) => {
    const step = Math.min(STEPS, Math.round(STEPS * Math.sqrt(Math.abs(value) / largest)));
    return TABLES[theme][value < 0 ? "down" : "up"][step];
  };

  // Characters that a reader cannot see, or that would turn the text around, are spelt out; long tokens are cut.
  const visible = (token, most = 12) => {
    if (token === "") return "(empty)";
    const shown = [...token.slice(0, 4 * most)].map((letter) => {
      if (letter === " ") return "\u2423";
      if (letter === "\n") return "\u21b5";
      return /[\p{C}\p{Z}]/u.test(letter) ? `\\u${letter.codePointAt(0).toString(16)}` : letter;
    }).join("");
    return [...shown].length > most || token.length > 4 * most ? `${[...shown].slice(0, most - 1).join("")}…` : shown;
  };

  const image = ({ side, values }, largest, theme) => {
    const pixels = new ImageData(side, side), data = pixels.data, above = INK[theme].above;
    for (let i = 0; i < values.length; i++) {
      const [red, green, blue] = Number.isNaN(values[i]) ? above : shade(values[i], largest, theme);
      data[4 * i] = red;
      data[4 * i + 1] = green;
      data[4 * i + 2] = blue;
      data[4 * i + 3] = 255;
    }
    return pixels;
  };

  const fit = (canvas, width, height, ground = null) => {
    const ratio = Math.min(2, devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const brush = canvas.getContext("2d");
    brush.scale(ratio, ratio);
    if (ground) brush.fillStyle = ground;
    if (ground) brush.fillRect(0, 0, width, height);
    return brush;
  };

  const cells = (brush, pooled, largest, theme, x, y, size) => {
    const small = document.createElement("canvas");
    small.width = small.height = pooled.side;
    small.getContext("2d").putImageData(image(pooled, largest, theme), 0, 0);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(small, x, y, size, size);
    return small;
  };

  const thumbnail = (canvas, read, n, hideFirst, largest, theme) => {
    canvas.width = canvas.height = 72;
    const pooled = attentionData.pooled(read, { query: 0, key: 0, span: n }, 72, hideFirst);
    cells(canvas.getContext("2d"), pooled, largest, theme, 0, 0, 72);
  };

  // Which positions have their token written: all if there is room, else every 2, 5, 10, 20, ...
  const ticks = (from, span, step) => {
    let every = 1;
    for (const factor of [2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2]) if (every * step < 11) every *= factor;
    const first = Math.ceil(from / every) * every;
    return Array.from({ length: Math.max(0, Math.ceil((from + span - first) / every)) }, (_, i) => first + i * every);
  };

  // Everything that is drawn over the cells, as a list of plain shapes: the canvas and the SVG are made of the same.
  const overlay = ({ window, step, size, theme, labels, marks, selected, pad }) => {
    const ink = INK[theme], shapes = [], end = (from) => from + window.span;
    const x = (key) => pad.left + (key - window.key) * step, y = (query) => pad.top + (query - window.query) * step;
    const seen = { query: (at) => at >= window.query && at < end(window.query), key: (at) => at >= window.key && at < end(window.key) };
    // A mark is seen on any cell: its line has a brighter or darker one around it.
    for (const { query, key, kind } of marks) {
      if (!seen.query(query) || !seen.key(key)) continue;
      const around = step < 14 ? -1.5 : 1; // a small cell is framed from outside, or nothing of it would be seen
      const inset = kind === "match" ? 2.5 : around, side = Math.max(step, 8) - 2 * inset, shift = (step - side) / 2;
      const box = [x(key) + shift, y(query) + shift, side, side];
      shapes.push({ box, color: rgb(ORANGE[theme][0]), width: step < 14 ? 2.2 : 3, dash: [] });
      shapes.push({ box, color: ink[kind], width: step < 14 ? 1 : 1.4, dash: kind === "match" ? [2.5, 1.5] : [] });
    }
    const name = (position) => (step >= 11 ? visible(labels[position], 6) : String(position));
    for (const key of ticks(window.key, window.span, step)) {
      const text = name(key), turn = text.length > 1 ? -90 : 0;
      shapes.push({ text, at: [x(key) + step / 2, pad.top + size + (turn ? 6 : 12)], turn, anchor: turn ? "end" : "middle", color: ink.muted });
    }
    for (const query of ticks(window.query, window.span, step))
      shapes.push({ text: name(query), at: [pad.left - 6, y(query) + step / 2], turn: 0, anchor: "end", color: ink.muted });
    const axis = { turn: 0, anchor: "end", color: ink.text };
    shapes.push({ ...axis, text: "key →", at: [pad.left + size, pad.top + size + pad.bottom - 8] });
    shapes.push({ ...axis, text: "query ↓", at: [pad.left - 6, pad.top - 13] });
    const thick = Math.max(step, 1), line = { color: ink.cross, width: 1, dash: [] };
    if (seen.query(selected.query)) shapes.push({ ...line, box: [pad.left, y(selected.query), size, thick] });
    if (seen.key(selected.key)) shapes.push({ ...line, box: [x(selected.key), pad.top, thick, size] });
    return shapes;
  };

  const paintShapes = (brush, shapes) => {
    brush.font = `11px ${MONO}`;
    brush.textBaseline = "middle";
    for (const { box, text, at, turn, anchor, color, width, dash } of shapes) {
      brush.strokeStyle = brush.fillStyle = color;
      if (box) {
        brush.lineWidth = width;
        brush.setLineDash(dash);
        brush.strokeRect(...box);
        continue;
      }
      brush.save();
      brush.translate(...at);
      brush.rotate((turn * Math.PI) / 180);
      brush.textAlign = anchor === "middle" ? "center" : "right";
      brush.fillText(text, 0, 0);
      brush.restore();
    }
  };

  // Bars of a number at each position, on the same axis as the keys.
  const strip = (canvas, values, { window, step, size, pad, theme, width }) => {
    const brush = fit(canvas, width, 34), most = Math.max(...values.map(Math.abs), 1e-30);
    brush.fillStyle = rgb(between(BLUE[theme], 0.66));
    for (let key = window.key; key < window.key + window.span; key++) {
      const tall = (30 * Math.abs(values[key])) / most;
      brush.fillRect(pad.left + (key - window.key) * step, 32 - tall, Math.max(0.7, step - (step > 4 ? 1 : 0)), tall);
    }
    brush.fillStyle = INK[theme].muted;
    brush.fillRect(pad.left, 32, size, 1);
  };

  const BAR = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1];
  const barTicks = (largest, signed) => {
    const up = BAR.map((share) => share * largest);
    return signed ? [...up.slice(1).filter((_, i) => i % 2).map((v) => -v).reverse(), ...up.filter((_, i) => i % 2 === 0)] : up;
  };
  // From 0 (signed: the largest below it) on the left to the largest on the right.
  const bar = (canvas, largest, signed, theme, width) => {
    const brush = fit(canvas, width, 34), left = 14, long = width - 2 * left;
    for (let i = 0; i < long; i++) {
      const root = signed ? (2 * i) / (long - 1) - 1 : i / (long - 1);
      brush.fillStyle = rgb(shade(Math.sign(root) * root * root * largest, largest, theme));
      brush.fillRect(left + i, 2, 1.5, 12);
    }
    brush.strokeStyle = brush.fillStyle = INK[theme].muted;
    brush.strokeRect(left, 2, long, 12);
    brush.font = `10px ${SANS}`;
    brush.textAlign = "center";
    for (const value of barTicks(largest, signed)) {
      const root = Math.sign(value) * Math.sqrt(Math.abs(value) / largest);
      const at = left + long * (signed ? (root + 1) / 2 : root);
      brush.fillRect(at, 14, 1, 3);
      brush.fillText(attentionWords.rounded(value, 2), at, 28);
    }
  };

  const XMLNS = "http://www.w3.org/2000/svg";
  const element = (name, attributes, ...children) => {
    const node = document.createElementNS(XMLNS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  // Mean attention of a head by the length of the match, as it was measured.
  const response = (values, n) => {
    const width = 260, height = 96, left = 26, bottom = 18, top = 8, inner = width - left - 8;
    const x = (i) => left + (inner * i) / Math.max(1, values.length - 1), y = (v) => top + (height - top - bottom) * (1 - v);
    const path = values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(Math.max(0, Math.min(1, v))).toFixed(1)}`).join("");
    const text = (at, words, anchor) => element("text", { x: at[0], y: at[1], "text-anchor": anchor, class: "axis" }, words);
    const parts = [
      element("path", { d: `M${left} ${y(0)}H${width - 8}M${left} ${y(1)}H${width - 8}`, class: "grid" }),
      element("path", { d: path, class: "curve" }),
      ...values.map((v, i) => element("circle", { cx: x(i), cy: y(Math.max(0, Math.min(1, v))), r: 2.4, class: "dot" })),
      text([left - 5, y(0) + 3], "0", "end"), text([left - 5, y(1) + 3], "1", "end"),
      ...values.map((_, i) => text([x(i), height - 4], i === values.length - 1 ? `${i}+` : String(i), "middle")),
    ];
    if (n !== null) parts.push(element("path", { d: `M${x(n)} ${top}V${y(0)}`, class: "jump" }));
    return element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" }, ...parts);
  };

  const TITLE = 26;
  // The picture with its title above and its colour bar below.
  const png = (picture, colours, title, { width, height, theme }) => {
    const whole = document.createElement("canvas"), wide = Math.max(width, Number.parseFloat(colours.style.width));
    const brush = fit(whole, wide, TITLE + height + 40, ground(theme));
    brush.drawImage(picture, 0, TITLE, width, height);
    brush.drawImage(colours, 0, TITLE + height, Number.parseFloat(colours.style.width), 34);
    brush.fillStyle = INK[theme].text;
    brush.font = `600 13px ${SANS}`;
    brush.fillText(title, 8, 17);
    return whole;
  };
  // The same as a document: cells and colours as images, all else as vectors.
  const svg = (cellsImage, shapes, colours, title, { width, height, pad, size, theme }) => {
    const [wide, tall] = [Math.max(width, Number.parseFloat(colours.style.width)), TITLE + height + 40];
    const sheet = element("svg", { xmlns: XMLNS, width: wide, height: tall, viewBox: `0 ${-TITLE} ${wide} ${tall}` });
    sheet.append(element("rect", { y: -TITLE, width: wide, height: tall, fill: ground(theme) }));
    sheet.append(element("text", { x: 8, y: -9, fill: INK[theme].text, "font-family": SANS, "font-size": 13, "font-weight": 600 }, title));
        sheet.append(element("image", { href: cellsImage.toDataURL(), x: pad.left, y: pad.top, width: size, height: size, style: "image-rendering: pixelated" }));
    sheet.append(element("image", { href: colours.toDataURL(), x: 0, y: height, width: Number.parseFloat(colours.style.width), height: 34 }));
    for (const shape of shapes) {
      if (shape.box) {
        const [x, y, w, h] = shape.box;
        sheet.append(element("rect", { x, y, width: w, height: h, fill: "none", stroke: shape.color, "stroke-width": shape.width, "stroke-dasharray": shape.dash.join(" ") }));
      } else {
        const [x, y] = shape.at;
        sheet.append(element("text", { x, y, fill: shape.color, "font-family": MONO, "font-size": 11, "text-anchor": shape.anchor, "dominant-baseline": "central", transform: shape.turn ? `rotate(${shape.turn} ${x} ${y})` : "" }, shape.text));
      }
    }
    return new XMLSerializer().serializeToString(sheet);
  };

  return { shade, rgb, ground, visible, fit, cells, thumbnail, overlay, paintShapes, strip, bar, response, png, svg };
})();
