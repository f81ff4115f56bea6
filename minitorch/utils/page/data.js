// What the page shows: boxes and steps, from the JSON that `data.py` wrote, and the state that a user changes. Nothing is computed here
// that the trace knows: a step only decides what is shown.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const boxes = new Map(data.boxes.map(b => [b.id, b]));
const edges = edgesOf(data.boxes);
const forwardStep = new Map(),
  backwardStep = new Map();
data.steps.forEach((s, k) => {
  if (s.phase === "forward") forwardStep.set(s.box, k);
  if (s.phase === "backward") backwardStep.set(s.box, k);
});
const OP = { w: 198, h: 143 },
  GIVEN = { w: 168, h: 84 },
  CLOSED = { w: 190, h: 64 };
const state = { step: 0, open: new Set(), zoom: 1, placed: null };

/** Each pair of boxes once, with how often the one is an input of the other. */
function edgesOf(all) {
  const found = new Map();
  for (const b of all)
    for (const i of b.inputs) {
      const key = i.from + ">" + b.id;
      if (!found.has(key)) found.set(key, { from: i.from, to: b.id, times: 0 });
      found.get(key).times++;
    }
  return [...found.values()];
}

/** An element with attributes and children; text is text, never markup. */
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, f] of Object.entries(value)) e.addEventListener(event, f);
    else if (value !== null && value !== undefined && value !== false)
      e.setAttribute(name, value === true ? "" : value);
  }
  for (const c of children.flat(Infinity)) if (c !== null && c !== undefined && c !== false) e.append(c);
  return e;
}

const shapeText = shape => "(" + shape.join(", ") + (shape.length === 1 ? ",)" : ")");
const nameOf = id => {
  const b = boxes.get(id);
  return b.name || b.op;
};
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : n === 0 || !word.endsWith("x") ? "s" : "es"}`;
const flat = x => (Array.isArray(x) ? "[" + x.map(flat).join(", ") + "]" : x);
