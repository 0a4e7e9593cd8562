// A view of attention as a person works it: heads, a pattern to move about in, the string beside it, keys and links.
(() => {
  const MOST_PIXELS = 560, MOST_N = 8, ROWS = 8;
  const schemes = matchMedia("(prefers-color-scheme: dark)");
  const views = [...document.querySelectorAll(".attention-view")];
  const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
  const { three, rounded } = attentionWords;
  const make = (tag, text = "", name = "") => Object.assign(document.createElement(tag), { textContent: text, className: name });

  const start = (node, number) => {
    const data = attentionData.open(node), { view, size, source, tokens } = data, paint = attentionPaint;
    const at = (name) => node.querySelector(`.${name}`);
    const control = (name) => node.querySelector(`[name=${name}]`);
    const label = (position) => paint.visible(view.labels[position]);
    const asked = source.flatMap((from, query) => (from >= 0 ? [query] : []));
    const first = asked[Math.min(asked.length - 1, Math.floor(asked.length / 2))] ?? size - 1;
    const state = {
      variant: 0, difference: false, head: 0, query: first, key: Math.max(source[first], 0), n: 0,
      sort: "score", hideFirst: false, stretch: view.variants[0].signed, window: { query: 0, key: 0, span: size },
    };
    const drawn = { thumbs: "", cells: "" };
    let small = null, shapes = [], geometry = {}, match = null, scheduled = false;

    // On a page of its own the view has the page's colours, in a report those of its own figure.
    const themed = document.querySelector("header.compact") ? document.documentElement : node;
    const theme = () => themed.dataset.theme || (schemes.matches ? "dark" : "light");
    const variant = () => view.variants[state.variant];
    const comparable = () => variant().of !== state.variant;
    const differs = () => state.difference && comparable();
    const signed = () => variant().signed || differs();
    // Its output was replaced: what it looks at does not count. (Where edges were cut, it looks elsewhere.)
    const gone = (head) => variant().kind !== "edges" && variant().ablated.includes(view.heads[head].name);
    const reader = (head) => data.reader(state.variant, head, differs() ? variant().of : null);
    const weight = (head, query, key) => (key <= query ? reader(head)(query, key) : 0);
    const lengthOfMatch = (query, key) => (match ??= attentionData.matches(tokens))(query, key);

    // ------------------------------------------------------------------ heads, in an order

    const onSource = view.heads.map(() => 0);
    const scoreOf = (head) => view.heads[head].found?.score ?? onSource[head];
    const order = () => {
      const all = view.heads.map((_, head) => head);
      return state.sort === "layer" ? all : all.sort((a, b) => scoreOf(b) - scoreOf(a) || a - b);
    };
    const buttons = view.heads.map((head, index) => {
      const button = make("button", "", "thumb");
      button.type = "button";
      const role = head.found && head.found.role !== "none" ? head.found.role : "";
      const n = head.found?.n == null ? "" : `, n ${head.found.n}`;
      button.append(document.createElement("canvas"), make("b", head.name), make("span", `${role}${n}`, `role ${role}`));
      if (head.kind !== "attention") button.append(make("small", "hidden"));
      button.setAttribute("aria-label", [head.name, role || "no role", n && `n is ${head.found.n}`, head.kind].filter(Boolean).join(", "));
      button.addEventListener("click", () => perform(() => change({ head: index })));
      return button;
    });

    // The largest weight of what is drawn: of one head, or of what all heads can have.
    const largestOf = (head) => {
      if (state.stretch) return ownLargest(head) || 1;
      return differs() || !variant().signed ? 1 : Math.max(...view.heads.map((_, each) => ownLargest(each))) || 1;
    };
    const largest = new Map();
    const ownLargest = (head) => {
      const key = [state.variant, differs(), head, state.hideFirst].join();
      if (!largest.has(key)) {
        const read = reader(head);
        let most = 0;
        for (let query = 0; query < size; query++)
          for (let k = state.hideFirst ? 1 : 0; k <= query; k++) most = Math.max(most, Math.abs(read(query, k)));
        largest.set(key, most);
      }
      return largest.get(key);
    };

    const drawThumbs = () => {
      const key = [state.variant, differs(), state.hideFirst, state.stretch, state.sort, theme()].join();
      if (key !== drawn.thumbs) {
        at("thumbs").replaceChildren(...order().map((head) => buttons[head]));
        buttons.forEach((button, head) =>
          paint.thumbnail(button.firstChild, reader(head), size, state.hideFirst, largestOf(head), theme()));
        drawn.thumbs = key;
      }
      buttons.forEach((button, head) => {
        button.setAttribute("aria-pressed", head === state.head);
        button.classList.toggle("ablated", gone(head));
        button.tabIndex = head === state.head ? 0 : -1;
      });
      reveal(at("thumbs"), buttons[state.head]);
    };

    // ------------------------------------------------------------------ the pattern

    const marks = (step) => {
      const { query: top, key: left, span } = state.window, found = [];
      // Frames around cells of a pixel or two would hide the stripe that they are to show: there the query's own alone.
      const small = step < 4, [from, to] = small ? [state.query, state.query + 1] : [top, Math.min(size, top + span)];
      if (state.n)
        for (let query = from; query < to; query++)
          for (let key = left; key <= Math.min(query, left + span - 1); key++)
            if (lengthOfMatch(query, key) >= state.n) found.push({ query, key, kind: "match" });
      const sources = asked.filter((query) => !small || query === state.query);
      return [...found, ...sources.map((query) => ({ query, key: source[query], kind: "source" }))];
    };

    const title = () => `${view.heads[state.head].name}, ${variant().name}${differs() ? ", minus clean" : ""}`;
    const drawPattern = () => {
      const pad = { left: 56, top: 20, bottom: 58, right: 8 }, room = at("plot-room").clientWidth || MOST_PIXELS;
      const span = state.window.span, wide = Math.min(MOST_PIXELS, room - pad.left - pad.right);
      const step = span > wide ? wide / span : Math.max(1, Math.floor(wide / span)), square = step * span;
      const width = square + pad.left + pad.right, height = square + pad.top + pad.bottom;
      geometry = { window: state.window, step, size: square, pad, width, height, theme: theme() };
      const ratio = Math.min(2, devicePixelRatio || 1), most = largestOf(state.head);
      const key = [state.variant, differs(), state.head, state.hideFirst, JSON.stringify(state.window), wide].join();
      const canvas = at("pattern"), brush = paint.fit(canvas, width, height, paint.ground(theme()));
      if (key !== drawn.cells) small = attentionData.pooled(reader(state.head), state.window, Math.round(wide * ratio), state.hideFirst);
      drawn.cells = key;
      geometry.image = paint.cells(brush, small, most, theme(), pad.left, pad.top, square);
      shapes = paint.overlay({ ...geometry, labels: view.labels, marks: marks(step), selected: state });
      paint.paintShapes(brush, shapes);
      paint.bar(at("bar"), most, signed(), theme(), Math.min(width, 360));
      data.strips[state.variant].forEach(({ name, value }, i) => {
        paint.strip(node.querySelectorAll(".strip")[i], value, geometry);
        const most = Math.max(...value), here = value[state.key];
        node.querySelectorAll(".strip-name")[i].textContent = `${name}: ${rounded(here, 3)} at the key, up to ${rounded(most, 3)}`;
      });
      const words = title();
      canvas.setAttribute("aria-label", `Attention of ${words}: query down, key across. ${at("now").textContent}`);
      at("name").textContent = words;
    };

    // ------------------------------------------------------------------ the string, the strongest keys, the head

    const items = view.labels.map((token, position) => {
      const item = make("li", paint.visible(token));
      item.title = `${position}: ${token.slice(0, 200)}`;
      item.addEventListener("click", () => perform(() =>
        change({ query: position, key: source[position] >= 0 ? source[position] : strongestKey(position) })));
      return item;
    });
    const strongestKey = (query) => {
      const read = reader(state.head);
      let best = state.hideFirst && query > 0 ? 1 : 0;
      for (let key = best + 1; key <= query; key++) if (Math.abs(read(query, key)) > Math.abs(read(query, best))) best = key;
      return best;
    };
    const drawString = () => {
      const read = reader(state.head), most = largestOf(state.head), { query, key } = state, dark = theme();
      const color = (value) => (value === 0 ? "transparent" : paint.rgb(paint.shade(value, most, dark)));
      items.forEach((item, position) => {
        const hidden = position === 0 && state.hideFirst;
        const looked = position > query || hidden ? 0 : read(query, position);
        const looking = position < key ? 0 : read(position, key);
        const below = signed() ? looking : -looking; // in blue, which of signed weights means below 0
        const style = `linear-gradient(${color(looked)} 0 var(--bar), transparent var(--bar) calc(100% - var(--bar)), ${color(below)} calc(100% - var(--bar)))`;
        if (item.dataset.lit !== style) item.style.backgroundImage = item.dataset.lit = style;
        const matched = state.n > 0 && position <= query && lengthOfMatch(query, position) >= state.n;
        const marks = { query: position === query, key: position === key, source: position === source[query], match: matched };
        const name = Object.keys(marks).filter((mark) => marks[mark]).join(" ");
        if (item.className !== name) item.className = name;
      });
      at("string-name").textContent = attentionWords.bars(signed());
      reveal(at("string"), items[query]);
    };
    // A box scrolls to what is chosen in it; the page stays where it is.
    const reveal = (box, item) => {
      const above = item.offsetTop, below = above + item.offsetHeight - box.clientHeight;
      box.scrollTop = clamp(box.scrollTop, below, above);
    };

    const drawTable = () => {
      const read = reader(state.head), { query } = state;
      const pairs = Array.from({ length: query + 1 }, (_, key) => [key, read(query, key)]);
      const rows = attentionData.strongest(pairs, ROWS).map(([key, value]) => {
        const row = document.createElement("tr"), head = make("th", `${label(key)} `);
        head.scope = "row";
        head.append(make("small", `at ${key}`));
        const length = lengthOfMatch(query, key);
        row.append(head, make("td", three(value)), make("td", length ? String(length) : "–"), make("td", key === source[query] ? "yes" : ""));
        row.addEventListener("click", () => perform(() => change({ key })));
        return row;
      });
      if (!rows.length) rows.push(document.createElement("tr"));
      if (!rows[0].cells.length) rows[0].append(Object.assign(make("td", "none of 0.0005 or more", "left"), { colSpan: 4 }));
      at("keys").replaceChildren(...rows);
      at("weight").textContent = differs() ? "change" : "weight";
      at("keys-of").textContent = `${differs() ? "Largest changes" : "Strongest keys"} of query ${query}, ${attentionWords.quoted(view.labels[query])}`;
    };

    const drawHead = () => {
      const { name, kind, found, cost } = view.heads[state.head], lines = attentionWords.found(found);
      if (cost) lines.push(attentionWords.cost(cost));
      if (gone(state.head)) lines.push(`Here its output is replaced (${variant().kind}), so that what it looks at does not count.`);
      if (differs() && ownLargest(state.head) === 0) lines.push("Nothing changes: what was taken away is in its own layer or above.");
      if (asked.length) {
        const mean = asked.reduce((sum, query) => sum + weight(state.head, query, source[query]), 0) / asked.length;
        lines.push(`On this string: mean ${differs() ? "change of " : ""}weight on the place copied from ${three(mean)}.`);
      }
      const curve = found?.response.length ? [make("p", "Attention by length of the match:", "axis-name"), paint.response(found.response, found.n)] : [];
      const heading = make("h3", `${name}${kind === "attention" ? "" : " · hidden attention"}`);
      at("head").replaceChildren(heading, ...lines.map((line) => make("p", line)), ...curve);
    };
    const say = () => {
      const { query, key } = state, visibleKey = key <= query;
      at("now").textContent = attentionWords.cell({
        query, key, labels: view.labels, weight: weight(state.head, query, key), match: visibleKey ? lengthOfMatch(query, key) : 0,
        copied: key === source[query], next: query + 1 < size ? view.labels[query + 1] : view.following,
        predicted: variant().predicted[query], right: data.probability[state.variant][query],
      });
    };

    // ------------------------------------------------------------------ changes

    const draw = () => {
      scheduled = false;
      say();
      drawThumbs();
      drawPattern();
      drawString();
      drawTable();
      drawHead();
      for (const name of ["variant", "n", "sort"]) control(name).value = String(state[name]);
      for (const name of ["difference", "hideFirst", "stretch"]) control(name).checked = state[name];
      control("difference").disabled = !comparable();
      at("link").href = link();
    };
    const schedule = () => {
      if (!scheduled) requestAnimationFrame(draw);
      scheduled = true;
    };
    const change = async (values, kept = true) => {
      const next = values.variant ?? state.variant;
      await data.load(next);
      await data.load(view.variants[next].of);
      Object.assign(state, values);
      if (kept) remember();
      schedule();
    };
    // One after the other: what a key means hangs on what the last one did, which may have to wait for its patterns.
    let last = Promise.resolve();
    const perform = (act) => (last = last.then(act).catch(fail));
    const fail = (error) => { at("now").textContent = `This cannot be shown: ${error.message}`; };

    const link = () => {
      const { query, key, span } = state.window;
      const parts = { view: number, head: view.heads[state.head].name, query: state.query, key: state.key, variant: state.variant };
      if (state.difference) parts.difference = 1;
      if (state.n) parts.n = state.n;
      if (state.sort !== "score") parts.sort = state.sort;
      if (state.hideFirst) parts.hide = 1;
      if (state.stretch !== view.variants[0].signed) parts.stretch = Number(state.stretch);
      if (span < size) parts.window = [query, key, span].join(" ");
      return `#${new URLSearchParams(parts)}`;
    };
    // In a notebook's frame there is no address to write to.
    const remember = () => { if (location.protocol !== "about:") history.replaceState(null, "", link()); };
    const fromLink = () => {
      const parts = new URLSearchParams(location.hash.slice(1)), whole = (name, low, high) => {
        const value = Number.parseInt(parts.get(name), 10);
        return Number.isNaN(value) ? undefined : clamp(value, low, high);
      };
      if (whole("view", 0, views.length) !== number) return {};
      const head = view.heads.findIndex(({ name }) => name === parts.get("head"));
      const [query, key, span] = (parts.get("window") || "").split(" ").map(Number);
      const found = {
        head: head < 0 ? undefined : head, query: whole("query", 0, size - 1), key: whole("key", 0, size - 1),
        variant: whole("variant", 0, view.variants.length - 1), difference: parts.has("difference"), n: whole("n", 0, MOST_N) ?? 0,
        sort: parts.get("sort") === "layer" ? "layer" : "score", hideFirst: parts.has("hide"),
        stretch: parts.has("stretch") ? parts.get("stretch") === "1" : view.variants[0].signed,
        window: [query, key, span].every(Number.isFinite) && span > 0 ? windowAt(query, key, span) : windowAt(0, 0, size),
      };
      return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
    };

    const windowAt = (query, key, span) => {
      const wide = clamp(Math.round(span), Math.min(8, size), size), within = (value) => clamp(Math.round(value), 0, size - wide);
      return { query: within(query), key: within(key), span: wide };
    };
    const zoom = (factor, query = state.query, key = state.key) => {
      const { window } = state, span = clamp(Math.round(window.span * factor), Math.min(8, size), size), share = span / window.span;
      return change({ window: windowAt(query - (query - window.query) * share, key - (key - window.key) * share, span) });
    };
    // The window moves along where the cursor would leave it.
    const move = (query, key) => {
      const follow = (from, value) => clamp(from, value - state.window.span + 1, value);
      const { window } = state;
      return change({ query, key, window: windowAt(follow(window.query, query), follow(window.key, key), window.span) });
    };
    const neighbour = (step) => {
      const all = order();
      return change({ head: all[(all.indexOf(state.head) + step + all.length) % all.length] });
    };
    const nextAsked = (step) => {
      const next = step > 0 ? asked.find((query) => query > state.query) ?? asked[0] : [...asked].reverse().find((query) => query < state.query) ?? asked.at(-1);
      return next === undefined ? null : move(next, source[next]);
    };

    const keys = {
      ArrowUp: () => move(clamp(state.query - 1, 0, size - 1), state.key),
      ArrowDown: () => move(clamp(state.query + 1, 0, size - 1), state.key),
      ArrowLeft: () => move(state.query, clamp(state.key - 1, 0, size - 1)),
      ArrowRight: () => move(state.query, clamp(state.key + 1, 0, size - 1)),
      "[": () => neighbour(-1), "]": () => neighbour(1),
      j: () => nextAsked(1), k: () => nextAsked(-1),
      s: () => move(state.query, strongestKey(state.query)),
      v: () => change({ variant: (state.variant + 1) % view.variants.length }),
      d: () => (comparable() ? change({ difference: !state.difference }) : null),
      n: () => change({ n: (state.n + 1) % (MOST_N + 1) }),
      b: () => change({ hideFirst: !state.hideFirst }),
      c: () => change({ stretch: !state.stretch }),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => change({ window: windowAt(0, 0, size) }),
    };

    // ------------------------------------------------------------------ mouse, buttons, files

    const cellUnder = (event) => {
      const box = at("pattern").getBoundingClientRect(), { pad, step, window } = geometry;
      const inside = (value, from) => clamp(from + Math.floor(value / step), from, from + window.span - 1);
      return { key: inside(event.clientX - box.left - pad.left, window.key), query: inside(event.clientY - box.top - pad.top, window.query) };
    };
    const canvas = at("pattern");
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      held = { ...cellUnder(event), window: state.window, moved: false };
      canvas.setPointerCapture(event.pointerId);
      canvas.focus();
    });
    canvas.addEventListener("pointermove", (event) => {
      const under = cellUnder(event);
      if (!held) at("hover").textContent = under.key <= under.query ? `${label(under.query)} at ${under.query} → ${label(under.key)} at ${under.key}: ${three(weight(state.head, under.query, under.key))}` : "";
      else if (held.window.span < size) {
        const { step } = geometry, box = canvas.getBoundingClientRect(), { pad } = geometry;
        const query = (event.clientY - box.top - pad.top) / step, key = (event.clientX - box.left - pad.left) / step;
        const window = windowAt(held.query - query + 0.5, held.key - key + 0.5, held.window.span);
        held.moved ||= window.query !== held.window.query || window.key !== held.window.key;
        if (held.moved) perform(() => change({ window }, false));
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      if (held && !held.moved) { const cell = cellUnder(event); perform(() => change(cell)); }
      else remember();
      held = null;
    });
    canvas.addEventListener("pointercancel", () => { held = null; });
    canvas.addEventListener("pointerleave", () => { at("hover").textContent = ""; });
    canvas.addEventListener("dblclick", (event) => { const { query, key } = cellUnder(event); perform(() => zoom(0.5, query, key)); });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      const { query, key } = cellUnder(event);
      perform(() => zoom(event.deltaY < 0 ? 0.8 : 1.25, query, key));
    }, { passive: false });

    const save = (blob, ending) => {
      const anchor = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${title().replaceAll(/[^\w-]+/g, "-")}.${ending}` });
      anchor.click();
      setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
    };
    const actions = {
      in: () => zoom(0.5), out: () => zoom(2), fit: () => keys[0](),
      theme: () => { themed.dataset.theme = theme() === "dark" ? "light" : "dark"; schedule(); },
      png: () => paint.png(canvas, at("bar"), title(), geometry).toBlob((blob) => save(blob, "png")),
      svg: () => save(new Blob([paint.svg(geometry.image, shapes, at("bar"), title(), geometry)], { type: "image/svg+xml" }), "svg"),
    };
    for (const [name, act] of Object.entries(actions)) node.querySelector(`[data-do=${name}]`).addEventListener("click", () => perform(act));
    for (const name of ["variant", "n"]) control(name).addEventListener("change", ({ target }) => perform(() => change({ [name]: Number(target.value) })));
    control("sort").addEventListener("change", ({ target }) => perform(() => change({ sort: target.value })));
    for (const name of ["difference", "hideFirst", "stretch"]) control(name).addEventListener("change", ({ target }) => perform(() => change({ [name]: target.checked })));
    schemes.addEventListener("change", schedule);
    // Paper is white.
    let before;
    addEventListener("beforeprint", () => { before = themed.dataset.theme; themed.dataset.theme = "light"; draw(); });
    addEventListener("afterprint", () => { if (before) themed.dataset.theme = before; else delete themed.dataset.theme; draw(); });
    at("link").hidden = location.protocol === "about:";
    addEventListener("resize", schedule);
    addEventListener("hashchange", () => perform(() => change(fromLink(), false)));

    at("string").replaceChildren(...items);
    Object.assign(node, { press: (key) => key in keys && perform(keys[key]), read: (query, key) => weight(state.head, query, key), state });
    return (async () => {
      await data.load(0);
      view.heads.forEach((_, head) => {
        onSource[head] = asked.reduce((sum, query) => sum + data.reader(0, head)(query, source[query]), 0) / (asked.length || 1);
      });
      state.head = order()[0];
      await change(fromLink(), false);
      draw();
      node.dataset.ready = "1";
    })().catch((error) => {
      fail(error);
      node.dataset.ready = "0";
    });
  };

  // Keys go to the view that has the focus; to the only one on its page, from anywhere but its fields.
  addEventListener("keydown", (event) => {
    const node = event.target.closest?.(".attention-view") ?? (views.length === 1 && event.target === document.body ? views[0] : null);
    if (!node?.press || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("select, summary, input:not([type=checkbox])")) return;
    const thumb = event.target.closest?.(".thumb");
    const name = thumb ? { ArrowLeft: "[", ArrowRight: "]", ArrowUp: "[", ArrowDown: "]" }[event.key] ?? event.key : event.key;
    if (!node.press(name)) return;
    event.preventDefault();
    if (thumb) requestAnimationFrame(() => requestAnimationFrame(() => node.querySelector(".thumb[aria-pressed=true]").focus()));
  });

  document.documentElement.classList.add("scripted");
  Promise.all(views.map(start)).then(() => { document.documentElement.dataset.views = String(views.length); });
})();
