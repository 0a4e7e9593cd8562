// @ts-check
// The string, token by token: how much the query looks at each, and how much each looks at the key.

import { rgb, shade } from "./colours.js";
import { find, make, reveal } from "./dom.js";
import { barsInWords, signsIn, visible } from "./words.js";

/** @import {Draw, Stage} from "./types" */

/**
 * @param {Stage} stage
 * @returns {Draw}
 */
export const string = ({ node, shown, theme, choose }) => {
  const { data, state } = shown;
  const box = find(node, ".string");
  const items = data.view.labels.map((token, position) => {
    const item = make("li");
    item.append(...signsIn(visible(token)).map((part, place) => (place % 2 ? make("span", part, "sign") : part)));
    item.title = `${position}: ${token.slice(0, 200)} (token ${data.tokens[position]})`;
    item.addEventListener("click", () =>
      choose(() => {
        const source = data.source[position];
        return { query: position, key: source >= 0 ? source : shown.strongestKey(position) };
      }),
    );
    return item;
  });
  box.replaceChildren(...items);

  return () => {
    const { query, key } = state;
    const read = shown.reader(state.head);
    const largest = shown.largest(state.head);
    const scheme = theme();
    /** @param {number} value */
    const color = (value) => (value === 0 ? "transparent" : rgb(shade(value, largest, scheme)));
    items.forEach((item, position) => {
      const hidden = position === 0 && state.hideFirst;
      const looked = position > query || hidden ? 0 : read(query, position);
      const looking = position < key ? 0 : read(position, key);
      const below = shown.signed() ? looking : -looking; // in blue, which of signed weights means below 0
      const style = bars(color(looked), color(below));
      if (item.dataset.lit !== style) item.style.backgroundImage = item.dataset.lit = style;
      const marks = {
        query: position === query,
        key: position === key,
        source: position === data.source[query],
        match: state.n > 0 && position <= query && shown.match(query, position) >= state.n,
      };
      const name = Object.entries(marks).flatMap(([mark, there]) => (there ? [mark] : []));
      if (item.className !== name.join(" ")) item.className = name.join(" ");
    });
    find(node, ".string-name").textContent = barsInWords(shown.signed());
    reveal(box, items[query]);
  };
};

/** @type {(above: string, below: string) => string} */
const bars = (above, below) =>
  `linear-gradient(${above} 0 var(--bar), transparent var(--bar) calc(100% - var(--bar)), ${below} calc(100% - var(--bar)))`;
