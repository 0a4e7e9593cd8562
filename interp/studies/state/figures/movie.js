// Steps through one string: what a probe reads of each letter, the numbers of the state, and what is lost.
(() => {
  const HALF = 0.5;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const ink = (hex, alpha) => `rgba(${channels(hex).join(",")},${alpha})`;

  const start = (view) => {
    const movie = JSON.parse(view.querySelector("script").textContent);
    const at = (selector) => view.querySelector(selector);
    const slider = at("input"), steps = movie.letters.length;
    const letters = [...view.querySelectorAll(".letters li")];
    let playing = null;

    // rows of numbers, a column a step; columns to come are faint, the present one is framed
    const paint = (canvas, rows, present, color) => {
      const brush = canvas.getContext("2d"), cell = canvas.width / steps, height = canvas.height / rows.length;
      brush.clearRect(0, 0, canvas.width, canvas.height);
      rows.forEach((row, y) => row.forEach((value, x) => {
        if (value === null) return;
        brush.fillStyle = color(value, x <= present);
        brush.fillRect(Math.floor(x * cell), Math.floor(y * height), Math.ceil(cell), Math.ceil(height));
      }));
      brush.strokeStyle = dark.matches ? "#e7e5e0" : "#1d1f23";
      brush.lineWidth = 2;
      brush.strokeRect(present * cell + 1, 1, cell - 2, canvas.height - 2);
    };
    const signed = (value, read) => ink(value < 0 ? "#2a82c4" : "#d55e00", (Math.abs(value) / 100) * (read ? 1 : 0.15));
    const share = (value, read) => ink("#00936b", (0.08 + (0.92 * value) / 100) * (read ? 1 : 0.15));

    const show = () => {
      const step = Number(slider.value) - 1, now = movie.readable.map((row) => row[step]);
      const was = movie.readable.map((row) => Math.max(0, ...row.slice(0, step + 1)));
      letters.forEach((item, i) => {
        const read = i <= step, lost = read && now[i] < 100 * HALF && was[i] >= 100 * HALF;
        item.className = read ? (lost ? "lost" : "read") : "";
        item.style.background = read ? ink("#00936b", (0.75 * now[i]) / 100) : "";
        item.title = read ? `${now[i]}%` : "not yet read";
      });
      const name = (i) => `${movie.letters[i]} (${i + 1})`;
      const there = letters.filter((item, i) => i <= step && now[i] >= 100 * HALF).length;
      const lost = letters.flatMap((item, i) => (item.className === "lost" ? [name(i)] : []));
      at(".now").textContent =
        `Behind letter ${step + 1}, ${movie.letters[step]}: probes read ${there} of ${step + 1} letters.` +
        (lost.length ? ` Lost: ${lost.join(", ")}.` : " None is lost.");
      paint(at("canvas.readable"), movie.readable, step, share);
      view.querySelectorAll("canvas.part").forEach((canvas, i) => paint(canvas, movie.states[i], step, signed));
    };
    const stop = () => {
      clearInterval(playing);
      playing = null;
      at("button").textContent = "Play";
    };
    const play = () => {
      if (playing) return stop();
      if (Number(slider.value) === steps) slider.value = 1;
      at("button").textContent = "Stop";
      playing = setInterval(() => {
        slider.value = Number(slider.value) + 1;
        show();
        if (Number(slider.value) === steps) stop();
      }, 500);
      show();
    };
    slider.addEventListener("input", () => { stop(); show(); });
    at("button").addEventListener("click", play);
    letters.forEach((item, i) => item.addEventListener("click", () => { stop(); slider.value = i + 1; show(); }));
    dark.addEventListener("change", show);
    show();
  };
  document.querySelectorAll(".state-view").forEach(start);
})();
