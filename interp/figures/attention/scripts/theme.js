// @ts-check
// The colour scheme of a view: the reader's, until it is turned; light on paper.

/** @import {Theme} from "./types" */

/**
 * On a page of its own the view has the page's colours, in a report those of its own figure.
 * @param {HTMLElement} node
 */
export const themeOf = (node) => {
  const schemes = matchMedia("(prefers-color-scheme: dark)");
  const themed = document.querySelector("header.compact") ? document.documentElement : node;
  /** @returns {Theme} */
  const theme = () => {
    const chosen = themed.dataset.theme || (schemes.matches ? "dark" : "light");
    return chosen === "dark" ? "dark" : "light";
  };
  return {
    theme,
    turn: () => {
      themed.dataset.theme = theme() === "dark" ? "light" : "dark";
    },
    /**
     * Draws again when the reader's scheme changes, and for paper.
     * @param {() => void} schedule
     * @param {() => void} draw at once
     */
    watch: (schedule, draw) => {
      /** @type {string | undefined} */
      let before;
      schemes.addEventListener("change", schedule);
      addEventListener("beforeprint", () => {
        before = themed.dataset.theme;
        themed.dataset.theme = "light";
        draw();
      });
      addEventListener("afterprint", () => {
        if (before) themed.dataset.theme = before;
        else delete themed.dataset.theme;
        draw();
      });
    },
  };
};
