// What a view of attention says in words: of a cell, of a head, of the bars above and below the string.
const attentionWords = (() => {
  const three = (value) => (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(3);
  const minus = (number) => String(number).replace("-", "\u2212");
  const rounded = (value, digits) => minus(Number(value.toPrecision(digits)));
  const per = (share) => minus(`${Number((100 * share).toFixed(1))}%`);
  const quoted = (token) => `\u201c${attentionPaint.visible(token)}\u201d`;

  // From the query to the key, and what follows the query. `next` is null behind the end.
  const cell = ({ query, key, labels, weight, match, copied, next, predicted, right }) => {
    const seen = key > query ? "not visible" : three(weight), length = match ? `, match of ${match}` : "";
    const place = `From ${quoted(labels[query])} at ${query} to ${quoted(labels[key])} at ${key}: ${seen}${length}.`;
    const mark = copied ? " It is copied from here." : "";
    if (next === null) return place + mark;
    const share = right === null ? "" : ` (${per(right)} for the right one)`;
    return `${place}${mark} Next is ${quoted(next)}; the model says ${quoted(predicted)}${share}.`;
  };

  // What was measured of a head, before and on other strings.
  const found = (head) => {
    if (!head) return ["This head was not scored."];
    const role = head.role === "none" ? "No role" : `${head.role[0].toUpperCase()}${head.role.slice(1)} head`;
    const [low, high] = head.interval.map(three), flag = head.flagged ? "" : ", not flagged";
    const lines = [
      `${role}${head.n === null ? "" : `, n = ${head.n}`}.`,
      `On other strings: attention to the place copied from ${three(head.score)} [${low}, ${high}] at 95%, to another letter ${three(head.chance)}; q ${head.q_value.toPrecision(2)}${flag}.`,
    ];
    if (head.role === "gather" && head.gather_effect !== null)
      lines.push(`Taken off their path, it changes the lookup heads' scores before the softmax by up to ${per(head.gather_effect)} of their size; it brings letters ${head.offsets.join(", ") || "–"} back.`);
    return lines;
  };

  const cost = ({ kind, before, after, interval, control }) => {
    const [low, high] = interval.map(per), beside = control === null ? "" : `; without another head ${per(control)}`;
    return `Without it alone (${kind}) strings right go from ${per(before)} to ${per(after)}, drop [${low}, ${high}] at 95%${beside}.`;
  };

  const bars = (signed) => signed
    ? "The string. Bar above: the query's weight on it; below: its own weight on the key; orange above 0, blue below. Underlined: a match. Framed: copied from."
    : "The string. Orange above: how much the query looks at it; blue below: how much it looks at the key. Underlined: a match. Framed: copied from.";

  return { three, rounded, per, quoted, cell, found, cost, bars };
})();
