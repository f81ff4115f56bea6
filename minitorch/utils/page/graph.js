// The graph as elements: boxes as buttons, folds that open, edges as lines. Where they are, `layout.js` has said.

const folds = [],
  around = new Map();
(function collect(fold, depth) {
  for (const c of fold.children) {
    if (typeof c === "string") around.set(c, fold.label);
    else {
      folds.push({ fold: c, depth });
      collect(c, depth + 1);
    }
  }
})(data.tree, 1);

/** At first: as many folds open, from the outside in, as leave some forty boxes to be seen. */
function openAtFirst() {
  let seen = data.tree.children.length;
  for (const { fold } of [...folds].sort((a, b) => a.depth - b.depth)) {
    if (seen + fold.children.length > 40) continue;
    seen += fold.children.length - 1;
    state.open.add(fold.key);
  }
}

const isOpen = fold => state.open.has(fold.key);
const sizeOf = child => (typeof child !== "string" ? CLOSED : boxes.get(child).kind === "op" ? OP : GIVEN);

/** The box or closed fold that stands for each box now, and the elements of both. */
let shown = new Map(),
  paths = [];

function draw() {
  state.placed = place(data.tree, edges, isOpen, sizeOf, true);
  settle(state.placed, 12, 8);
  shown = new Map();
  $("boxes").replaceChildren(...elementsOf(state.placed));
  const svg = $("edges"),
    drawn = new Map();
  svg.replaceChildren();
  paths = [];
  for (const e of edges) {
    const a = shown.get(e.from),
      b = shown.get(e.to),
      key = a.id + ">" + b.id;
    if (a === b) continue;
    if (!drawn.has(key)) {
      const points = route(state.placed, e.from, e.to),
        lines = [];
      const times = a.dataset.fold || b.dataset.fold ? 1 : Math.min(3, e.times);
      for (let k = 0; k < times; k++) {
        const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
        const dx = (k - (times - 1) / 2) * 7;
        line.setAttribute("d", curve(points.map(([x, y]) => [x + dx, y])));
        svg.append(line);
        lines.push(line);
      }
      drawn.set(key, { lines, edges: [] });
      paths.push(drawn.get(key));
    }
    drawn.get(key).edges.push(e);
  }
  const w = state.placed.w + 24,
    h = state.placed.h + 24;
  svg.setAttribute("width", w);
  svg.setAttribute("height", h);
  $("plane").dataset.w = w;
  $("plane").dataset.h = h;
  zoomTo(state.zoom);
}

function elementsOf(placed) {
  const found = [];
  for (const [id, i] of placed.items) {
    if (i.pin) continue;
    const p = placed.at.get(id);
    const place = `left:${placed.ox + p.x - p.w / 2}px;top:${placed.oy + p.y}px;width:${p.w}px;height:${p.h}px`;
    if (i.inner) found.push(opened(i.fold, place), ...elementsOf(i.inner));
    else if (i.fold) found.push(closed(i.fold, place));
    else found.push(boxElement(boxes.get(id), place));
  }
  return found;
}

function opened(fold, place) {
  const title = [fold.label ? el("b", {}, fold.label) : null, " ", el("em", {}, fold.kind)];
  const fold_it = el(
    "button",
    { type: "button", "aria-expanded": "true", title: "Fold", on: { click: () => toggle(fold) } },
    "▾ ",
    title,
  );
  return el(
    "div",
    { class: "fold", style: place, "data-key": fold.key, role: "group", "aria-label": `${fold.label} ${fold.kind}` },
    fold_it,
  );
}

function closed(fold, place) {
  const inside = boxesOf(fold),
    n = inside.filter(b => boxes.get(b).kind === "op").length;
  const given = inside.filter(b => boxes.get(b).kind === "leaf").length;
  const what = plural(n, "call") + (given ? `, ${plural(given, "leaf").replace("leafs", "leaves")}` : "");
  const e = el(
    "button",
    {
      type: "button",
      class: "box folded",
      style: place,
      "aria-expanded": "false",
      "data-fold": fold.key,
      title: "Open",
      "aria-label": `${fold.label} ${fold.kind}, folded: ${what}. Open`,
      on: { click: () => toggle(fold) },
    },
    el("span", { class: "head" }, el("b", { class: "t" }, "▸ " + fold.label)),
    el("span", {}, el("em", { class: "t" }, [fold.kind, what].filter(Boolean).join(" · "))),
  );
  e.id = "fold:" + fold.key;
  inside.forEach(b => shown.set(b, e));
  return e;
}

function boxElement(b, place) {
  const e = el("button", {
    type: "button",
    class: "box " + b.kind,
    id: b.id,
    style: place,
    tabindex: "-1",
    on: { click: () => goTo(b.id) },
  });
  shown.set(b.id, e);
  return e;
}

/** What a node keeps, on its box; struck out when its turn in backward has passed. */
function keeping(b, made, passed) {
  if (!made || !b.keeps.length || b.freed) return el("span", { class: "soft" }, "–");
  const names = [...new Set(b.keeps.map(k => k.name))].join(", ");
  return el("span", { class: passed ? "t n freed" : "t n" }, names);
}

/** How many bytes are kept for backward alone at this step: each memory from its first keeper's call to that keeper's turn. */
function keptNow() {
  let bytes = 0;
  for (const b of boxes.values()) {
    if (!(forwardStep.get(b.id) <= state.step) || backwardStep.get(b.id) <= state.step) continue;
    for (const k of b.keeps) if (!k.held && k.freedAt === b.number && k.sameAs !== b.number) bytes += k.bytes;
  }
  return bytes;
}

/** The name of a box, without what the fold around it says already. */
function inFold(b) {
  const label = around.get(b.id);
  const at = label ? `.${b.name}`.indexOf(`.${label}.`) : -1; // the parameter may be told from farther off: self.model.0.bias
  return at < 0 ? b.name : b.name.slice(at + label.length + 1);
}

/** How many letters a value may have beside its label. */
const room = b => (b.kind === "op" ? 17 : 13);

/** What a box says at this step. */
function fill(e, b) {
  const t = state.step,
    back = backwardStep.get(b.id),
    made = b.kind !== "op" || forwardStep.get(b.id) <= t;
  const out = b.outputs[0] || { shape: [] },
    more = b.outputs.length > 1 ? ` + ${b.outputs.length - 1} more` : "";
  const came = gradientNow(b.id),
    now = [made, came.text, back <= t].join();
  if (e.dataset.now === now) return; // nothing has changed
  e.dataset.now = now;
  const shape = shapeText(out.shape) + more;
  const rows = [el("span", { class: "head" }, el("b", {}, b.op), el("span", { class: "t", title: b.name }, inFold(b)))];
  if (b.kind === "op") rows.push(el("span", {}, el("em", { class: "t" }, b.formula || b.node)));
  rows.push(el("span", {}, el("span", { class: "k" }, "shape"), el("span", { class: "n" }, shape)));
  if (data.values || out.value)
    rows.push(
      el(
        "span",
        { class: "v" },
        el("span", { class: "k" }, "value"),
        made ? small(out.value, room(b)) : el("span", { class: "soft" }, "…"),
      ),
    );
  if (b.kind !== "constant" && data.values)
    rows.push(el("span", { class: "g" }, el("span", { class: "k" }, "grad"), came.node()));
  if (b.kind === "op") rows.push(el("span", {}, el("span", { class: "k" }, "keeps"), keeping(b, made, back <= t)));
  if (b.kind === "op" && b.line)
    rows.push(
      el(
        "span",
        { class: "src", title: `${b.line.file}, line ${b.line.nr}` },
        el("em", {}, b.line.nr),
        el("span", { class: "t" }, b.line.text),
      ),
    );
  e.replaceChildren(...rows);
  e.classList.toggle("todo", !made);
  e.classList.toggle("done", made && b.kind === "op" && !(back <= t));
  e.classList.toggle("back", back <= t);
  const value = made && out.value ? `, value ${described(out.value)}` : made ? "" : ", not yet computed";
  const line = b.line ? `, line ${b.line.nr}: ${b.line.text}` : "";
  e.setAttribute("aria-label", `${b.op}${b.name ? " " + b.name : ""}, shape ${shape}${value}${came.text}${line}`);
}

/** The gradient of a box at this step: nothing yet, some parts of the sum, or all; to be seen and to be heard. */
function gradientNow(id) {
  const back = backwardStep.get(id),
    t = state.step;
  const nothing = { node: () => el("span", { class: "soft" }, "–"), text: "" };
  if (back === undefined) return nothing;
  const { parts, total } = data.steps[back].arrivals[0];
  const there = parts.filter(p => (p.from ? backwardStep.get(p.from) <= t : back <= t));
  if (!there.length) return nothing;
  if (back > t && parts.length > 1) {
    const text = `${there.length} of ${parts.length} parts`;
    return { node: () => el("span", { class: "n" }, text), text: `, ${text} of the gradient have come` };
  }
  return { node: () => small(total, room(boxes.get(id))), text: total ? `, gradient ${described(total)}` : "" };
}
