// @ts-check
// A page of several strings, of which one is shown: which one, and what stays as it is from one to the next.

import { find } from "./dom.js";

/** @import {ViewNode} from "./types" */

/** What of the state goes along to another string: not the place in it. */
const KEPT = /** @type {const} */ (["head", "role", "sort", "hideFirst", "stretch", "n"]);

/**
 * Start the views of the page: all, or, where a string is chosen among them, each when it is chosen first.
 * @param {ViewNode[]} views
 * @param {(node: ViewNode, number: number) => Promise<void>} start
 * @returns {Promise<unknown>} done when what the page shows first is drawn
 */
export const examples = (views, start) => {
  const bar = /** @type {HTMLElement | null} */ (document.querySelector(".example-controls"));
  if (!bar) return Promise.all(views.map(start));
  const choice = find(bar, "[name=example]");
  /** @type {Map<number, Promise<void>>} */
  const begun = new Map();
  let at = -1;

  /** @param {number} number */
  const show = async (number) => {
    const before = views[at]?.state;
    at = number;
    views.forEach((view, index) => {
      /** @type {HTMLElement} */ (view.closest(".example")).hidden = index !== number;
    });
    choice.value = String(number);
    find(bar, ".example-says").textContent = choice.selectedOptions[0].title;
    const first = !begun.has(number);
    if (first) begun.set(number, start(views[number], number));
    await begun.get(number);
    const linked = first && linkedView(views.length) === number;
    const kept = before && !linked ? Object.fromEntries(KEPT.map((name) => [name, before[name]])) : {};
    await views[number].take?.(kept);
  };
  /** @param {number} step */
  const turn = (step) => show((at + step + views.length) % views.length);

  choice.addEventListener("change", () => show(Number(choice.value)));
  find(bar, "[data-step=back]").addEventListener("click", () => turn(-1));
  find(bar, "[data-step=on]").addEventListener("click", () => turn(1));
  addEventListener("hashchange", () => {
    const linked = linkedView(views.length);
    if (linked !== null && linked !== at) show(linked);
  });
  return show(linkedView(views.length) ?? 0);
};

/**
 * The view that the address names, if it names one of the page's.
 * @param {number} count
 */
const linkedView = (count) => {
  const number = Number.parseInt(new URLSearchParams(location.hash.slice(1)).get("view") ?? "", 10);
  return number >= 0 && number < count ? number : null;
};
