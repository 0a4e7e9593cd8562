// @ts-check
// Steps through one string: what a probe reads of each letter, the numbers of the state, and what is lost.

/**
 * @typedef {object} Movie
 * @property {string[]} letters
 * @property {number[][]} readable in hundredths: probability of each letter (rows) after each step (columns)
 * @property {(number | null)[][][]} states of each part of the state: numbers (rows) after each step, in hundredths
 */

const READ = 50;
const PERIOD = 500;
const dark = matchMedia("(prefers-color-scheme: dark)");

/** @param {string} hex */
const channels = (hex) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));
/** @type {(hex: string, alpha: number) => string} */
const ink = (hex, alpha) => `rgba(${channels(hex).join(",")},${alpha})`;
/** Colours on a light page and on a dark one (`palette.py`): above and below 0, and what probes read (held). */
const COLORS = {
  light: { above: "#dd751a", below: "#598ef4", held: "#4f3ec5" },
  dark: { above: "#e84b0f", below: "#92adfa", held: "#6761ea" },
};
const colors = () => COLORS[dark.matches ? "dark" : "light"];
/** @type {(value: number, past: boolean) => string} */
const signed = (value, past) =>
  ink(value < 0 ? colors().below : colors().above, (Math.abs(value) / 100) * (past ? 1 : 0.15));
/** @type {(value: number, past: boolean) => string} */
const share = (value, past) => ink(colors().held, (0.08 + (0.92 * value) / 100) * (past ? 1 : 0.15));

/**
 * Rows of numbers, a column a step; columns to come are faint, the present one is framed.
 * @param {HTMLCanvasElement} canvas
 * @param {(number | null)[][]} rows
 * @param {number} present
 * @param {(value: number, past: boolean) => string} color
 */
const paint = (canvas, rows, present, color) => {
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const cell = canvas.width / rows[0].length;
  const height = canvas.height / rows.length;
  brush.clearRect(0, 0, canvas.width, canvas.height);
  for (const [y, row] of rows.entries())
    for (const [x, value] of row.entries()) {
      if (value === null) continue;
      brush.fillStyle = color(value, x <= present);
      brush.fillRect(Math.floor(x * cell), Math.floor(y * height), Math.ceil(cell), Math.ceil(height));
    }
  brush.strokeStyle = dark.matches ? "#e7e5e0" : "#1d1f23";
  brush.lineWidth = 2;
  brush.strokeRect(present * cell + 1, 1, cell - 2, canvas.height - 2);
};

/**
 * What is read after a step: of each letter how well, and whether it was read before and is lost.
 * @param {number[][]} readable
 * @param {number} step
 */
const readings = (readable, step) =>
  readable.map((row, letter) => {
    const [now, best] = [row[step], Math.max(0, ...row.slice(0, step + 1))];
    const seen = letter <= step;
    return { now, seen, read: seen && now >= READ, lost: seen && now < READ && best >= READ };
  });

/** @param {HTMLElement} view */
const start = (view) => {
  /** @type {(selector: string) => any} */
  const find = (selector) => view.querySelector(selector);
  /** @type {Movie} */
  const movie = JSON.parse(find("script").textContent);
  const steps = movie.letters.length;
  const slider = find("input");
  const button = find("button");
  const letters = /** @type {HTMLElement[]} */ ([...view.querySelectorAll(".letters li")]);
  const parts = /** @type {HTMLCanvasElement[]} */ ([...view.querySelectorAll("canvas.part")]);
  /** @type {number | undefined} */
  let playing;

  const show = () => {
    const step = Number(slider.value) - 1;
    const found = readings(movie.readable, step);
    for (const [i, { now, seen, lost }] of found.entries()) {
      letters[i].className = lost ? "lost" : seen ? "read" : "";
      letters[i].style.background = seen ? ink(colors().held, (0.6 * now) / 100) : "";
      letters[i].title = seen ? `${now}%` : "not yet read";
    }
    const there = found.filter(({ read }) => read).length;
    const lost = found.flatMap(({ lost }, i) => (lost ? [`${movie.letters[i]} (${i + 1})`] : []));
    const gone = lost.length ? `Lost: ${lost.join(", ")}.` : "None is lost.";
    const after = `Behind letter ${step + 1}, ${movie.letters[step]}`;
    find(".now").textContent = `${after}: probes read ${there} of ${step + 1} letters. ${gone}`;
    paint(find("canvas.readable"), movie.readable, step, share);
    for (const [i, canvas] of parts.entries()) paint(canvas, movie.states[i], step, signed);
  };
  const stop = () => {
    clearInterval(playing);
    playing = undefined;
    button.textContent = "Play";
  };
  const next = () => {
    slider.value = Number(slider.value) + 1;
    show();
    if (Number(slider.value) === steps) stop();
  };
  const play = () => {
    if (playing !== undefined) return stop();
    if (Number(slider.value) === steps) slider.value = 1;
    button.textContent = "Stop";
    playing = setInterval(next, PERIOD);
    show();
  };

  slider.addEventListener("input", () => {
    stop();
    show();
  });
  button.addEventListener("click", play);
  for (const [i, letter] of letters.entries())
    letter.addEventListener("click", () => {
      stop();
      slider.value = i + 1;
      show();
    });
  dark.addEventListener("change", show);
  show();
};

for (const view of document.querySelectorAll(".state-view")) start(/** @type {HTMLElement} */ (view));
