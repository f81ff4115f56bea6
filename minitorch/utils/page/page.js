// The page: boxes and steps come from the JSON that `data.py` wrote; `layout.js` says where boxes are. Nothing is computed here
// that the trace knows: a step only decides what is shown.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const boxes = new Map(data.boxes.map(b => [b.id, b]));
const edges = edgesOf(data.boxes);
const forwardStep = new Map(), backwardStep = new Map();
data.steps.forEach((s, k) => {
  if (s.phase === "forward") forwardStep.set(s.box, k);
  if (s.phase === "backward") backwardStep.set(s.box, k);
});
const OP = {w: 198, h: 126}, GIVEN = {w: 168, h: 84}, CLOSED = {w: 190, h: 64};
const state = {step: 0, open: new Set(), zoom: 1, placed: null};

/** Each pair of boxes once, with how often the one is an input of the other. */
function edgesOf(all) {
  const found = new Map();
  for (const b of all) for (const i of b.inputs) {
    const key = i.from + ">" + b.id;
    if (!found.has(key)) found.set(key, {from: i.from, to: b.id, times: 0});
    found.get(key).times++;
  }
  return [...found.values()];
}

/** An element with attributes and children; text is text, never markup. */
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, f] of Object.entries(value)) e.addEventListener(event, f);
    else if (value !== null && value !== undefined && value !== false) e.setAttribute(name, value === true ? "" : value);
  }
  for (const c of children.flat(Infinity)) if (c !== null && c !== undefined && c !== false) e.append(c);
  return e;
}

const shapeText = shape => "(" + shape.join(", ") + (shape.length === 1 ? ",)" : ")");
const nameOf = id => { const b = boxes.get(id); return b.name || b.op; };
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : n === 0 || !word.endsWith("x") ? "s" : "es"}`;
const flat = x => Array.isArray(x) ? "[" + x.map(flat).join(", ") + "]" : x;

// ---- pictures of tensors ----

/** The numbers of a picture as rows of floats, for a heat map. */
function gridOf(p) {
  if (p.grid) return p.grid;
  const rows = [];
  const walk = x => Array.isArray(x[0]) ? x.forEach(walk) : rows.push(x.map(Number));
  walk(Array.isArray(p.numbers) ? p.numbers : [p.numbers]);
  return rows;
}

let inks = null;  // of this colour scheme
function colours() {
  const style = inks ? null : getComputedStyle(document.documentElement);
  inks = inks || ["--minus", "--plus", "--zero"].map(n => style.getPropertyValue(n).trim());
  return inks;
}

/** Below zero in one colour, above in another; the strongest is the number farthest from zero. */
function heat(p, width) {
  const rows = gridOf(p), columns = Math.max(...rows.map(r => r.length));
  const canvas = el("canvas", {width: columns, height: rows.length, role: "img", "aria-label": described(p)});
  const [minus, plus, zero] = colours();
  const most = Math.max(...rows.flat().filter(Number.isFinite).map(Math.abs), 1e-30);
  const pen = canvas.getContext("2d");
  pen.fillStyle = zero;
  pen.fillRect(0, 0, columns, rows.length);
  rows.forEach((row, y) => row.forEach((v, x) => {
    if (!Number.isFinite(v)) return;
    pen.fillStyle = `rgba(${v < 0 ? minus : plus},${(Math.abs(v) / most).toFixed(3)})`;
    pen.fillRect(x, y, 1, 1);
  }));
  if (width) {
    const cell = Math.max(2, Math.min(16, Math.floor(width / columns)));
    canvas.style.width = cell * columns + "px";
    canvas.style.height = cell * rows.length + "px";
  }
  return canvas;
}

function described(p) {
  if (p.low === undefined) return `shape ${shapeText(p.shape)}`;
  if (typeof p.numbers === "string") return p.numbers;
  const strange = p.notFinite ? `, ${p.notFinite} not finite` : "";
  return `shape ${shapeText(p.shape)}, from ${p.low} to ${p.high}, mean ${p.mean}${strange}`;
}

/** A vector in lines of so many. */
const inRows = (list, n) => list.length <= n ? [list] : [list.slice(0, n), ...inRows(list.slice(n), n)];

/** A picture in full: a number, a table, or a heat map with its range. */
function picture(p, shape, width = 260) {
  if (!p) return el("span", {class: "soft"}, shape ? `shape ${shapeText(shape)}` : "not known");
  if (typeof p.numbers === "string") return el("code", {class: "picture"}, p.numbers);
  if (p.numbers && p.shape.length <= 2) {
    const rows = p.shape.length === 2 ? p.numbers : inRows(p.numbers, 5);
    const table = el("table", {class: "num"}, el("tbody", {}, rows.map(r => el("tr", {}, r.map(v => el("td", {}, v))))));
    return el("span", {class: "picture"}, table);
  }
  if (p.numbers) return el("code", {class: "picture"}, flat(p.numbers));
  if (!p.grid) return el("span", {class: "soft"}, `shape ${shapeText(p.shape)}, empty`);
  const cell = p.block[0] * p.block[1] > 1 ? `; a cell is the mean of ${p.block[0]} × ${p.block[1]}` : "";
  return el("span", {class: "picture"}, heat(p, width), el("small", {}, described(p) + cell));
}

/** A picture in a box: a few numbers, or a small heat map. */
function small(p) {
  if (!p) return el("span", {class: "n"}, "");
  const text = p.numbers === undefined ? "" : flat(p.numbers);
  if (text && text.length <= 17) return el("span", {class: "n"}, text);
  if (p.low === undefined) return el("span", {class: "n"}, "empty");
  return heat(p);
}

// ---- the graph ----

const folds = [], around = new Map();
(function collect(fold, depth) {
  for (const c of fold.children) {
    if (typeof c === "string") around.set(c, fold.label);
    else { folds.push({fold: c, depth}); collect(c, depth + 1); }
  }
})(data.tree, 1);

/** At first: as many folds open, from the outside in, as leave some forty boxes to be seen. */
function openAtFirst() {
  let seen = data.tree.children.length;
  for (const {fold} of [...folds].sort((a, b) => a.depth - b.depth)) {
    if (seen + fold.children.length > 40) continue;
    seen += fold.children.length - 1;
    state.open.add(fold.key);
  }
}

const isOpen = fold => state.open.has(fold.key);
const sizeOf = child => typeof child !== "string" ? CLOSED : boxes.get(child).kind === "op" ? OP : GIVEN;

/** The box or closed fold that stands for each box now, and the elements of both. */
let shown = new Map(), paths = [];

function draw() {
  state.placed = place(data.tree, edges, isOpen, sizeOf, true);
  settle(state.placed, 12, 8);
  shown = new Map();
  $("boxes").replaceChildren(...elementsOf(state.placed));
  const svg = $("edges"), drawn = new Map();
  svg.replaceChildren();
  paths = [];
  for (const e of edges) {
    const a = shown.get(e.from), b = shown.get(e.to), key = a.id + ">" + b.id;
    if (a === b) continue;
    if (!drawn.has(key)) {
      const points = route(state.placed, e.from, e.to), lines = [];
      const times = a.dataset.fold || b.dataset.fold ? 1 : Math.min(3, e.times);
      for (let k = 0; k < times; k++) {
        const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
        const dx = (k - (times - 1) / 2) * 7;
        line.setAttribute("d", curve(points.map(([x, y]) => [x + dx, y])));
        svg.append(line);
        lines.push(line);
      }
      drawn.set(key, {lines, edges: []});
      paths.push(drawn.get(key));
    }
    drawn.get(key).edges.push(e);
  }
  const w = state.placed.w + 24, h = state.placed.h + 24;
  svg.setAttribute("width", w); svg.setAttribute("height", h);
  $("plane").dataset.w = w; $("plane").dataset.h = h;
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
  const fold_it = el("button", {type: "button", "aria-expanded": "true", title: "Fold", on: {click: () => toggle(fold)}}, "▾ ", title);
  return el("div", {class: "fold", style: place, "data-key": fold.key, role: "group", "aria-label": `${fold.label} ${fold.kind}`}, fold_it);
}

function closed(fold, place) {
  const inside = boxesOf(fold), n = inside.filter(b => boxes.get(b).kind === "op").length;
  const given = inside.filter(b => boxes.get(b).kind === "leaf").length;
  const what = plural(n, "call") + (given ? `, ${plural(given, "leaf").replace("leafs", "leaves")}` : "");
  const e = el("button", {type: "button", class: "box folded", style: place, "aria-expanded": "false", "data-fold": fold.key, title: "Open",
    "aria-label": `${fold.label} ${fold.kind}, folded: ${what}. Open`, on: {click: () => toggle(fold)}},
    el("span", {class: "head"}, el("b", {class: "t"}, "▸ " + fold.label)), el("span", {}, el("em", {class: "t"}, [fold.kind, what].filter(Boolean).join(" · "))));
  e.id = "fold:" + fold.key;
  inside.forEach(b => shown.set(b, e));
  return e;
}

function boxElement(b, place) {
  const e = el("button", {type: "button", class: "box " + b.kind, id: b.id, style: place, tabindex: "-1", on: {click: () => goTo(b.id)}});
  shown.set(b.id, e);
  return e;
}

/** The name of a box, without what the fold around it says already. */
function inFold(b) {
  const label = around.get(b.id);
  return label && b.name.startsWith(label + ".") ? b.name.slice(label.length + 1) : b.name;
}

/** What a box says at this step. */
function fill(e, b) {
  const t = state.step, back = backwardStep.get(b.id), made = b.kind !== "op" || forwardStep.get(b.id) <= t;
  const out = b.outputs[0] || {shape: []}, more = b.outputs.length > 1 ? ` + ${b.outputs.length - 1} more` : "";
  const came = gradientNow(b.id), now = [made, came.text, back <= t].join();
  if (e.dataset.now === now) return;  // nothing has changed
  e.dataset.now = now;
  const shape = shapeText(out.shape) + more;
  const rows = [el("span", {class: "head"}, el("b", {}, b.op), el("span", {class: "t", title: b.name}, inFold(b)))];
  if (b.kind === "op") rows.push(el("span", {}, el("em", {class: "t"}, b.formula || b.node)));
  rows.push(el("span", {}, el("span", {class: "k"}, "shape"), el("span", {class: "n"}, shape)));
  if (data.values || out.value) rows.push(el("span", {class: "v"}, el("span", {class: "k"}, "value"), made ? small(out.value) : el("span", {class: "soft"}, "…")));
  if (b.kind !== "constant" && data.values) rows.push(el("span", {class: "g"}, el("span", {class: "k"}, "grad"), came.node()));
  if (b.kind === "op" && b.line) rows.push(el("span", {class: "src", title: `${b.line.file}, line ${b.line.nr}`}, el("em", {}, b.line.nr), el("span", {class: "t"}, b.line.text)));
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
  const back = backwardStep.get(id), t = state.step;
  const nothing = {node: () => el("span", {class: "soft"}, "–"), text: ""};
  if (back === undefined) return nothing;
  const {parts, total} = data.steps[back].arrivals[0];
  const there = parts.filter(p => p.from ? backwardStep.get(p.from) <= t : back <= t);
  if (!there.length) return nothing;
  if (back > t && parts.length > 1) {
    const text = `${there.length} of ${parts.length} parts`;
    return {node: () => el("span", {class: "n"}, text), text: `, ${text} of the gradient have come`};
  }
  return {node: () => small(total), text: total ? `, gradient ${described(total)}` : ""};
}

// ---- steps ----

function show(step, scroll = true) {
  state.step = Math.max(0, Math.min(data.steps.length - 1, step));
  const s = data.steps[state.step];
  document.body.dataset.phase = s.phase;
  document.body.dataset.step = state.step;
  $("slider").value = state.step;
  $("slider").setAttribute("aria-valuetext", `${state.step} of ${data.steps.length - 1}: ${s.phase}, ${s.title}`);
  $("count").textContent = `${state.step} / ${data.steps.length - 1}`;
  $("say").textContent = s.say;
  $("first").disabled = $("back").disabled = state.step === 0;
  $("last").disabled = $("on").disabled = state.step === data.steps.length - 1;
  for (const [id, b] of boxes) if (!shown.get(id).dataset.fold) fill(shown.get(id), b);
  mark(s);
  $("panel").replaceChildren(...panelOf(s));
  $("panel").scrollTop = 0;
  if (scroll) bringIntoView(s);
}

/** Colour what the step is about: its box, the edges along which values or gradients go, and their other ends. */
function mark(s) {
  const touched = new Set(), along = new Set();
  if (s.phase === "forward") for (const i of boxes.get(s.box).inputs) { along.add(i.from + ">" + s.box); }
  if (s.phase === "backward") for (const sent of s.sends) { along.add(sent.to + ">" + s.box); touched.add(sent.to); }
  if (s.phase === "update") for (const row of s.rows) if (row.box) touched.add(row.box);
  for (const e of new Set(shown.values())) { e.classList.remove("now", "touched"); e.tabIndex = e.dataset.fold ? 0 : -1; }
  for (const id of touched) shown.get(id).classList.add("touched");
  const first = s.box ? shown.get(s.box) : shown.values().next().value;
  if (first) first.tabIndex = 0;
  if (s.box) first.classList.add("now");
  for (const {lines, edges} of paths) {
    const now = edges.some(e => along.has(e.from + ">" + e.to));
    const passed = edges.some(e => backwardStep.get(e.to) <= state.step && backwardStep.has(e.from));
    const idle = edges.every(e => forwardStep.get(e.to) > state.step);
    for (const line of lines) line.setAttribute("class", now ? s.phase : passed ? "passed" : idle ? "idle" : "");
  }
}

function bringIntoView(s) {
  const e = s.box && shown.get(s.box), view = $("view");
  if (!e) { if (s.phase === "given") view.scrollTo((view.scrollWidth - view.clientWidth) / 2, 0); return; }
  const z = state.zoom, left = e.offsetLeft * z, top = e.offsetTop * z, w = e.offsetWidth * z, h = e.offsetHeight * z, room = 70;
  const pad = parseFloat($("plane").style.marginLeft) || 0;
  if (left + pad < view.scrollLeft || left + pad + w > view.scrollLeft + view.clientWidth) view.scrollLeft = left + pad + w / 2 - view.clientWidth / 2;
  if (top - room < view.scrollTop || top + h + room > view.scrollTop + view.clientHeight) view.scrollTop = top + h / 2 - view.clientHeight / 2;
}

/** Go to a box's own step in the phase that is shown. */
function goTo(id) {
  const backward = ["backward", "update"].includes(data.steps[state.step].phase);
  const step = backward ? backwardStep.get(id) ?? forwardStep.get(id) : forwardStep.get(id) ?? backwardStep.get(id);
  show(step === undefined ? 0 : step);
}

// ---- the panel ----

function section(title, ...children) {
  const inside = children.flat(Infinity).filter(c => c !== null && c !== undefined && c !== false);
  return inside.length ? [el("h3", {}, title), ...inside] : [];
}

const link = id => el("button", {type: "button", class: "box-link", on: {click: () => goTo(id)}}, nameOf(id));
const list = items => items.length ? el("ul", {}, items.map(i => el("li", {}, i))) : null;

function panelOf(s) {
  const b = s.box && boxes.get(s.box);
  const head = el("h2", {}, el("span", {class: "phase"}, s.phase), el("span", {}, s.title));
  const lines = linesOf(s.line || (b && b.line), b && b.kind === "leaf" ? "First used in " : "");
  const formula = b && b.formula ? section("Formula", el("p", {}, el("code", {}, `${b.op}: ${b.formula}`))) : [];
  if (s.phase === "given") return [head, ...given()];
  if (s.phase === "forward") return [head, ...lines, ...formula, ...forward(s, b)];
  if (s.phase === "backward") return [head, ...lines, ...formula, ...backward(s, b)];
  return [head, el("p", {}, el("code", {}, s.optimizer)), ...lines, ...updates(s)];
}

/** The user's line among those around it. */
function linesOf(line, before = "") {
  if (!line) return [];
  const file = data.files[line.file] || {}, spans = [];
  for (let nr = line.nr - 2; nr <= line.nr + 2; nr++) if (file[nr] !== undefined)
    spans.push(el("span", {class: nr === line.nr ? "here" : null, "data-nr": nr}, file[nr] || " "));
  return section(`${before}${line.file}, line ${line.nr}`, spans.length ? el("pre", {class: "lines"}, spans) : el("pre", {}, line.text));
}

function given() {
  const of = kind => data.boxes.filter(b => b.kind === kind);
  const row = b => [el("b", {}, b.name || "(no name)"), " ", el("span", {class: "soft"}, shapeText(b.outputs[0].shape)), el("div", {}, picture(b.outputs[0].value, b.outputs[0].shape))];
  return [...section("Leaves, which want a gradient", list(of("leaf").map(row))), ...section("Constants", list(of("constant").map(row)))];
}

function valueOf(input) {
  const out = boxes.get(input.from).outputs[input.output] || {};
  return picture(out.value, out.shape);
}

function forward(s, b) {
  const ins = b.inputs.map(i => [el("code", {}, i.name), " is ", link(i.from), el("div", {}, valueOf(i))]);
  const outs = b.outputs.map(o => [o.name ? [el("b", {}, o.name), " "] : null, el("span", {class: "soft"}, shapeText(o.shape)), el("div", {}, picture(o.value, o.shape))]);
  const writes = s.writes.map(w => [el("b", {}, w.tensor || "a tensor"), ` is at version ${w.version} now`, w.line ? el("span", {class: "soft"}, ` (line ${w.line.nr}: ${w.line.text})`) : null]);
  return [...section("Came in", list(ins)), ...section("Gives", list(outs)), ...section("Written in place", list(writes),
      writes.length ? el("p", {class: "soft"}, "A node that has kept an earlier version refuses to run in backward.") : null),
    ...section("Keeps for backward", list(b.keeps.map(keptText)) || el("p", {class: "soft"}, "No tensor: its derivative names none."))];
}

function keptText(k) {
  const whose = k.held ? `only referred to: ${{leaf: "a leaf", result: "the result", constant: "a constant"}[k.held]}` : k.sameAs ? `the same memory as step ${k.sameAs} keeps` : `${k.bytes.toLocaleString("en")} B`;
  return [el("code", {}, k.name), k.tensor ? [" is ", el("b", {}, k.tensor)] : null, " ", el("span", {class: "soft"}, `${shapeText(k.shape)}, ${whose}${k.part ? ", a view" : ""}`)];
}

function backward(s, b) {
  const arrivals = s.arrivals.map(a => [el("code", {}, a.gradient), " of ", el("b", {}, a.tensor || "the output"), " ", el("span", {class: "soft"}, shapeText(a.shape)), sumOf(a)]);
  const sends = s.sends.map(x => [el("code", {}, x.input), el("span", {class: "arrow"}, " → "), link(x.to), el("pre", {}, x.call), el("div", {class: "sent"}, picture(x.value, x.shape)),
    x.summed ? el("p", {class: "soft"}, `Computed in shape ${shapeText(x.summed)}; ${x.summed.length === x.shape.length && x.summed.every((n, k) => n === x.shape[k]) ? "" : "what broadcasting copied is summed to "}${shapeText(x.shape)}.`) : null]);
  const ends = b.kind === "leaf" ? section("Adds", el("p", {}, "The gradient is added to ", el("code", {}, `${b.name || "leaf"}.grad`), ".")) : [];
  const before = s.hooks.filter(h => ["tensor", "retain", "pre"].includes(h.kind)), after = s.hooks.filter(h => !before.includes(h));
  return [...section("Came in", list(arrivals)), ...section("Hooks, before it runs", list(before.map(hookText))),
    ...section("Goes to", list(sends)), ...ends, ...section("Hooks, after it has run", list(after.map(hookText))),
    ...section("The derivative", s.derivatives.map(d => el("pre", {tabindex: "0", "aria-label": `Source of ${d.name}`}, d.text))),
    ...section("Was kept", list(b.keeps.map(keptText))), ...section("Freed now", s.freed.length ? el("p", {}, s.freed.join("; ")) : null)];
}

function sumOf(a) {
  if (a.parts.length === 1) return el("div", {class: "sum"}, picture(a.total, a.shape), el("span", {class: "soft"}, a.parts[0].from ? ["from ", link(a.parts[0].from)] : "the start: ∂loss/∂loss = 1"));
  const parts = a.parts.map((p, k) => [k ? el("span", {class: "arrow"}, "+") : null, el("span", {}, picture(p.value, a.shape, 120), " ", p.from ? link(p.from) : null)]);
  return el("div", {class: "sum"}, parts, el("span", {class: "arrow"}, "="), picture(a.total, a.shape));
}

const HOOKS = {tensor: "hook of the tensor", retain: "keeps the gradient in .grad", pre: "hook of the node, before it", post: "hook of the node, after it", accumulated: "hook of the leaf, when .grad is there"};

function hookText(h) {
  const changed = h.called && JSON.stringify(h.before) !== JSON.stringify(h.after);
  const values = list => list.map(p => p ? picture(p) : el("span", {class: "soft"}, "None"));
  return [el("code", {}, h.name), " ", el("span", {class: "soft"}, HOOKS[h.kind] + (h.line ? `, line ${h.line.nr}` : "")),
    h.kind === "retain" ? null : !h.called ? el("span", {class: "soft"}, "; not called for this page") : el("div", {class: "sum"}, values(h.before), changed ? [el("span", {class: "arrow"}, "→"), values(h.after)] : el("span", {class: "soft"}, "left as it is"))];
}

function updates(s) {
  return section("Parameters", list(s.rows.map(r => [el("b", {}, r.name), el("div", {class: "sum"}, picture(r.before, null, 120), el("span", {class: "arrow"}, "→"), picture(r.after, null, 120))])));
}

// ---- zoom, folds, search, keys ----

function zoomTo(z) {
  const w = +$("plane").dataset.w, h = +$("plane").dataset.h;
  state.zoom = Math.max(0.25, Math.min(2, z));
  $("plane").style.transform = `scale(${state.zoom})`;
  $("plane").style.width = w + "px";
  $("plane").style.height = h + "px";
  $("plane").style.marginLeft = Math.max(0, ($("view").clientWidth - w * state.zoom) / 2) + "px";
  $("plane").style.marginRight = -w * (1 - state.zoom) + "px";
  $("plane").style.marginBottom = -h * (1 - state.zoom) + "px";
}

/** The whole width, as far as its text can still be read. */
const fit = () => zoomTo(Math.max(0.75, Math.min(1, $("view").clientWidth / +$("plane").dataset.w)));

function toggle(fold) {
  if (!state.open.delete(fold.key)) state.open.add(fold.key);
  draw(); show(state.step, false);
  const again = $("boxes").querySelector(`[data-key="${CSS.escape(fold.key)}"] > button`) || document.getElementById("fold:" + fold.key);
  if (again) again.focus();
}

function openAll(open) {
  state.open = new Set(open ? folds.map(f => f.fold.key) : []);
  draw(); fit(); show(state.step);
}

let hits = [], hit = -1;
function search() {
  const text = $("find").value.trim().toLowerCase();
  const about = b => [b.name, b.op, b.node, b.line && `${b.line.nr} ${b.line.text}`].join(" ").toLowerCase();
  hits = text ? data.boxes.filter(b => about(b).includes(text)).map(b => b.id) : [];
  hit = -1;
  const seen = new Set(hits.map(id => shown.get(id)));
  for (const e of new Set(shown.values())) e.classList.toggle("hit", seen.has(e));
  $("found").textContent = text ? `${hits.length} of ${data.boxes.length}` : "";
}

function nextHit() {
  if (!hits.length) return;
  hit = (hit + 1) % hits.length;
  $("found").textContent = `${hit + 1} of ${hits.length}`;
  goTo(hits[hit]);
  bringIntoView({box: hits[hit]});
}

function key(event) {
  const inText = event.target.id === "find";
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (inText) { if (event.key === "Enter") nextHit(); else if (event.key === "Escape") { $("find").value = ""; search(); } return; }
  const last = data.steps.length - 1;
  const step = {ArrowRight: state.step + 1, ArrowLeft: state.step - 1, Home: 0, End: last}[event.key];
  if (step !== undefined) show(step);
  else if (event.key === "/") $("find").focus();
  else if (event.key === "+") zoomTo(state.zoom * 1.2);
  else if (event.key === "-") zoomTo(state.zoom / 1.2);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
}

function start() {
  const count = {};
  for (const s of data.steps) count[s.phase] = (count[s.phase] || 0) + 1;
  $("phases").replaceChildren(...Object.entries(count).map(([phase, n]) => el("i", {class: phase, style: `flex:${n}`})));
  $("slider").max = data.steps.length - 1;
  $("slider").addEventListener("input", () => show(+$("slider").value));
  for (const [id, step] of [["first", () => 0], ["back", () => state.step - 1], ["on", () => state.step + 1], ["last", () => 1e9]])
    $(id).addEventListener("click", () => show(step()));
  $("smaller").addEventListener("click", () => zoomTo(state.zoom / 1.2));
  $("larger").addEventListener("click", () => zoomTo(state.zoom * 1.2));
  $("fit").addEventListener("click", fit);
  $("open").addEventListener("click", () => openAll(true));
  $("close").addEventListener("click", () => openAll(false));
  $("folds").hidden = !folds.length;
  $("find").addEventListener("input", search);
  document.addEventListener("keydown", key);
  window.addEventListener("resize", () => zoomTo(state.zoom));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { inks = null; draw(); show(state.step, false); });
  $("memory").textContent = data.memory;
  openAtFirst();
  draw(); fit(); show(0);
}

start();
