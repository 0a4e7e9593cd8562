// @ts-check
// Starts every view of the page: reads its numbers, draws it, and lets a person work it.

import { buttons, fields, keyboard } from "./controls.js";
import { open } from "./data.js";
import { find } from "./dom.js";
import { examples } from "./examples.js";
import { about, sentence, table } from "./panel.js";
import { pattern } from "./pattern.js";
import { pointer } from "./pointer.js";
import { showing } from "./shown.js";
import { fromLink, KEYS, linkOf, opening } from "./state.js";
import { string } from "./string.js";
import { themeOf } from "./theme.js";
import { thumbs } from "./thumbs.js";

/** @import {Choose, Data, Stage, Values, ViewNode} from "./types" */

const views = /** @type {ViewNode[]} */ ([...document.querySelectorAll(".attention-view")]);
/** In a notebook's frame there is no address to write to. */
const framed = location.protocol === "about:";

/** @type {(node: ViewNode, number: number) => Promise<void>} */
const start = async (node, number) => {
  const data = open(node);
  const state = opening(data);
  const shown = showing(data, state);
  const { theme, turn, watch } = themeOf(node);
  let scheduled = false;

  const link = () => linkOf(data, state, number);
  const remember = () => {
    if (!framed) history.replaceState(null, "", link());
  };
  const schedule = () => {
    if (!scheduled) requestAnimationFrame(draw);
    scheduled = true;
  };
  /** @type {(values: Values, kept: boolean) => Promise<void>} */
  const change = async (values, kept) => {
    const next = values.variant ?? state.variant;
    await data.load(next);
    await data.load(data.view.variants[next].of);
    Object.assign(state, values);
    if (kept) remember();
    schedule();
  };
  /** @param {Error} error */
  const fail = (error) => {
    find(node, ".now").textContent = `This cannot be shown: ${error.message}`;
  };
  // One after the other: what a key means hangs on what the last one did, which may have to wait for its patterns.
  let last = Promise.resolve();
  /** @param {() => unknown} act */
  const perform = (act) => {
    last = last.then(act).then(() => {}, fail);
    return last;
  };
  /** @type {Choose} */
  const choose = (act, kept = true) =>
    perform(() => {
      const values = act();
      return values && change(values, kept);
    });

  /** @type {Stage} */
  const stage = { node, shown, theme, choose };
  const plot = pattern(stage);
  const parts = [sentence(stage), thumbs(stage), plot.draw, string(stage), table(stage), about(stage), fields(stage)];
  // A reader may print, or turn the phone, before the patterns are there.
  const draw = () => {
    scheduled = false;
    if (node.dataset.ready !== "1" || node.offsetParent === null) return;
    for (const part of parts) part();
    find(node, ".link").href = link();
  };

  pointer(stage, plot.geometry, remember);
  buttons(stage, {
    perform,
    turn: () => {
      turn();
      schedule();
    },
    png: plot.png,
    svg: plot.svg,
  });
  watch(schedule, draw);
  find(node, ".link").hidden = framed;
  addEventListener("resize", schedule);
  addEventListener("hashchange", () => choose(() => fromLink(data, location.hash, number, views.length), false));
  const press = (/** @type {string} */ key) => {
    if (!Object.hasOwn(KEYS, key)) return false;
    choose(() => KEYS[key](shown));
    return true;
  };
  const take = (/** @type {Values} */ values) => choose(() => values);
  Object.assign(node, { press, read: shown.weight, state, take });

  try {
    await data.load(0);
    state.head = shown.order()[0];
    Object.assign(state, askedIn(node, data));
    await change(fromLink(data, location.hash, number, views.length), false);
    node.dataset.ready = "1";
    draw();
  } catch (error) {
    fail(/** @type {Error} */ (error));
    node.dataset.ready = "0";
  }
};

/**
 * Where an example is to be looked at first.
 * @type {(node: HTMLElement, data: Data) => Values}
 */
const askedIn = (node, { source }) => {
  const query = Number(/** @type {HTMLElement | null} */ (node.closest(".example"))?.dataset.query ?? -1);
  return query < 0 ? {} : { query, key: Math.max(source[query], 0) };
};

keyboard(views);
document.documentElement.classList.add("scripted");
examples(views, start).then(() => {
  document.documentElement.dataset.views = String(views.length);
});
