// @ts-check
// The mouse on the pattern: a click chooses a cell, a drag moves the square that is shown, a wheel with Ctrl zooms.

import { find } from "./dom.js";
import { clamp, within, zoomed } from "./state.js";
import { three, visible } from "./words.js";

/** @import {Geometry, Square, Stage} from "./types" */

/**
 * @param {Stage} stage
 * @param {() => Geometry} geometry where the cells lie now
 * @param {() => void} remember writes the address
 */
export const pointer = ({ node, shown, choose }, geometry, remember) => {
  const { size, view } = shown.data;
  const canvas = /** @type {HTMLCanvasElement} */ (find(node, ".pattern"));
  const hover = find(node, ".hover");
  /** @type {{ query: number, key: number, window: Square, moved: boolean } | null} */
  let held = null;

  /**
   * Cells from the corner of the pattern.
   * @param {MouseEvent} event
   */
  const place = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    const { pad, step } = geometry();
    return { query: (event.clientY - top - pad.top) / step, key: (event.clientX - left - pad.left) / step };
  };
  /** @param {MouseEvent} event */
  const under = (event) => {
    const { window } = geometry();
    const { query, key } = place(event);
    /** @type {(value: number, from: number) => number} */
    const inside = (value, from) => clamp(from + Math.floor(value), from, from + window.span - 1);
    return { query: inside(query, window.query), key: inside(key, window.key) };
  };
  /** @param {MouseEvent} event */
  const say = (event) => {
    const { query, key } = under(event);
    /** @param {number} position */
    const name = (position) => `${visible(view.labels[position])} at ${position}`;
    hover.textContent = key <= query ? `${name(query)} → ${name(key)}: ${three(shown.weight(query, key))}` : "";
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = { ...under(event), window: shown.state.window, moved: false };
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return say(event);
    const { span } = held.window;
    if (span === size) return;
    const { query, key } = place(event);
    const window = within(size, { query: held.query - query + 0.5, key: held.key - key + 0.5, span });
    held.moved ||= window.query !== held.window.query || window.key !== held.window.key;
    if (held.moved) choose(() => ({ window }), false);
  });
  canvas.addEventListener("pointerup", (event) => {
    const cell = under(event);
    if (held && !held.moved) choose(() => cell);
    else remember();
    held = null;
  });
  canvas.addEventListener("pointercancel", () => {
    held = null;
  });
  canvas.addEventListener("pointerleave", () => {
    hover.textContent = "";
  });
  canvas.addEventListener("dblclick", (event) => {
    const cell = under(event);
    choose(() => zoomed(shown, 0.5, cell));
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      const cell = under(event);
      choose(() => zoomed(shown, event.deltaY < 0 ? 0.8 : 1.25, cell));
    },
    { passive: false },
  );
};
