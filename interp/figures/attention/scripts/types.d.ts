// Shapes of the values that the scripts of an attention page pass to each other; read by the type checker alone.

/** A view as `encoding.py` writes it: `interp.results.attention.AttentionView` without its arrays. */
export interface View {
  labels: string[];
  /** The token behind the last one, if it is known. */
  following: string | null;
  heads: Head[];
  variants: Variant[];
}

export interface Head {
  name: string;
  /** "attention", or the kind of a head of hidden attention. */
  kind: string;
  found: Found | null;
  cost: Cost | null;
}

/** Two ends at 95 %, and how they were computed. */
export interface Interval {
  low: number;
  high: number;
  method: string;
}

/** What was measured of a head on other strings. */
export interface Found {
  role: string;
  n: number | null;
  score: number;
  chance: number;
  interval: Interval;
  q_value: number;
  flagged: boolean;
  gather_effect: number | null;
  offsets: number[];
  /** Mean attention by length of the match. */
  response: number[];
}

/** Strings right with and without a head. */
export interface Cost {
  kind: string;
  before: number;
  after: number;
  interval: Interval;
  control: number | null;
}

export interface Variant {
  name: string;
  kind: string;
  /** The variant that this one is compared with; its own number if it is compared with none. */
  of: number;
  ablated: string[];
  signed: boolean;
  predicted: string[];
}

/** The weight at (query, key), for key <= query. */
export type Read = (query: number, key: number) => number;

export interface Strip {
  name: string;
  value: number[];
}

/** A view with its numbers. */
export interface Data {
  view: View;
  /** Positions of the string. */
  size: number;
  tokens: number[];
  /** Which position each position's next token is copied from; -1 where it is not copied. */
  source: number[];
  /** Positions whose next token is copied. */
  asked: number[];
  /** By variant and position, of the right next token; null where there is none. */
  probability: (number | null)[][];
  strips: Strip[][];
  /** Unpacks the patterns of a variant, once. */
  load(variant: number): Promise<void>;
  /** Reads one head; with `less`, its change from that variant. Both must be loaded. */
  reader(variant: number, head: number, less?: number | null): Read;
}

/** The square of the pattern that is shown: its first query, its first key, and how many of each. */
export interface Square {
  query: number;
  key: number;
  span: number;
}

export interface State {
  variant: number;
  difference: boolean;
  head: number;
  query: number;
  key: number;
  /** Matches of at least so many tokens are marked; 0 marks none. */
  n: number;
  sort: string;
  /** Which heads are shown: "all", "some" (with a role), "lookup" or "gather". */
  role: string;
  hideFirst: boolean;
  stretch: boolean;
  window: Square;
}

export type Values = Partial<State>;

/** What is shown, worked out from the data and the state. */
export interface Shown {
  data: Data;
  state: State;
  variant(): Variant;
  comparable(): boolean;
  differs(): boolean;
  signed(): boolean;
  gone(head: number): boolean;
  reader(head: number): Read;
  weight(query: number, key: number): number;
  match: Read;
  largest(head: number): number;
  ownLargest(head: number): number;
  order(): number[];
  strongestKey(query: number): number;
  meanOnSource(): number | null;
  title(): string;
}

export type Theme = "light" | "dark";
export type Color = number[];

/** Cells pooled to `side` squared numbers, row after row; NaN above the diagonal. */
export interface Pooled {
  side: number;
  values: Float32Array;
}

/** Where the cells of a pattern lie on the canvas, in CSS pixels. */
export interface Geometry {
  window: Square;
  /** Side of a cell. */
  step: number;
  /** Side of all cells. */
  size: number;
  pad: { left: number; top: number; bottom: number; right: number };
  width: number;
  height: number;
}

export interface Mark {
  query: number;
  key: number;
  kind: "match" | "source";
}

export interface Box {
  box: [number, number, number, number];
  color: string;
  width: number;
  dash: number[];
}

export interface Label {
  text: string;
  at: [number, number];
  turn: number;
  anchor: "start" | "middle" | "end";
  color: string;
}

/** What is drawn over the cells; the canvas and the SVG are made of the same. */
export type Shape = Box | Label;

/** Works out values and shows them, after everything that was asked for before. */
export type Choose = (act: () => Values | null, kept?: boolean) => Promise<void>;

/** What each part of the page is given. */
export interface Stage {
  node: HTMLElement;
  shown: Shown;
  theme(): Theme;
  choose: Choose;
}

export type Draw = () => void;

/** The figure element of a view, with what tests and the keyboard use. */
export type ViewNode = HTMLElement & {
  press?: (key: string) => boolean;
  read?: Read;
  state?: State;
  take?: (values: Values) => Promise<void>;
};
