// @ts-check
// Elements: found, made, scrolled to.

/**
 * The first element that a selector finds. Its kind is what the caller says it is.
 * @param {ParentNode} node
 * @param {string} selector
 * @returns {any}
 */
export const find = (node, selector) => {
  const found = node.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
};

/**
 * An element with a text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} text
 * @param {string} name of its class
 */
export const make = (tag, text = "", name = "") =>
  Object.assign(document.createElement(tag), { textContent: text, className: name });

const XMLNS = "http://www.w3.org/2000/svg";

/**
 * An SVG element.
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 */
export const makeSvg = (name, attributes, ...children) => {
  const node = document.createElementNS(XMLNS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
};

/**
 * Scrolls a box to one of its items; the page stays where it is.
 * @param {HTMLElement} box
 * @param {HTMLElement} item
 */
export const reveal = (box, item) => {
  const above = item.offsetTop;
  const below = above + item.offsetHeight - box.clientHeight;
  box.scrollTop = Math.max(below, Math.min(above, box.scrollTop));
};
