// The panel beside the graph: all that the trace knows of one step.

function section(title, ...children) {
  const inside = children.flat(Infinity).filter(c => c !== null && c !== undefined && c !== false);
  return inside.length ? [el("h3", {}, title), ...inside] : [];
}

const link = id => el("button", { type: "button", class: "box-link", on: { click: () => goTo(id) } }, nameOf(id));
const list = items =>
  items.length
    ? el(
        "ul",
        {},
        items.map(i => el("li", {}, i)),
      )
    : null;

function panelOf(s) {
  const b = s.box && boxes.get(s.box);
  const head = el("h2", {}, el("span", { class: "phase" }, s.phase), el("span", {}, s.title));
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
  const file = data.files[line.file] || {},
    spans = [];
  for (let nr = line.nr - 2; nr <= line.nr + 2; nr++)
    if (file[nr] !== undefined)
      spans.push(el("span", { class: nr === line.nr ? "here" : null, "data-nr": nr }, file[nr] || " "));
  return section(
    `${before}${line.file}, line ${line.nr}`,
    spans.length ? el("pre", { class: "lines" }, spans) : el("pre", {}, line.text),
  );
}

function given() {
  const of = kind => data.boxes.filter(b => b.kind === kind);
  const row = b => [
    el("b", {}, b.name || "(no name)"),
    " ",
    el("span", { class: "soft" }, shapeText(b.outputs[0].shape)),
    el("div", {}, picture(b.outputs[0].value, b.outputs[0].shape)),
  ];
  return [
    ...section("Leaves, which want a gradient", list(of("leaf").map(row))),
    ...section("Constants", list(of("constant").map(row))),
  ];
}

function valueOf(input) {
  const out = boxes.get(input.from).outputs[input.output] || {};
  return picture(out.value, out.shape);
}

function forward(s, b) {
  const ins = b.inputs.map(i => [el("code", {}, i.name), " is ", link(i.from), el("div", {}, valueOf(i))]);
  const outs = b.outputs.map(o => [
    o.name ? [el("b", {}, o.name), " "] : null,
    el("span", { class: "soft" }, shapeText(o.shape)),
    el("div", {}, picture(o.value, o.shape)),
  ]);
  const writes = s.writes.map(w => [
    el("b", {}, w.tensor || "a tensor"),
    ` is at version ${w.version} now`,
    w.line ? el("span", { class: "soft" }, ` (line ${w.line.nr}: ${w.line.text})`) : null,
  ]);
  return [
    ...section("Came in", list(ins)),
    ...section("Gives", list(outs)),
    ...section(
      "Written in place",
      list(writes),
      writes.length
        ? el("p", { class: "soft" }, "A node that has kept an earlier version refuses to run in backward.")
        : null,
    ),
    ...section(
      "Keeps for backward",
      list(b.keeps.map(keptText)) || el("p", { class: "soft" }, "No tensor: its derivative names none."),
    ),
  ];
}

function keptText(k) {
  const whose = k.held
    ? `only referred to: ${{ leaf: "a leaf", result: "the result", constant: "a constant" }[k.held]}`
    : k.sameAs
      ? `the same memory as step ${k.sameAs} keeps`
      : `${k.bytes.toLocaleString("en")} B`;
  return [
    el("code", {}, k.name),
    k.tensor ? [" is ", el("b", {}, k.tensor)] : null,
    " ",
    el("span", { class: "soft" }, `${shapeText(k.shape)}, ${whose}${k.part ? ", a view" : ""}`),
  ];
}

function backward(s, b) {
  const arrivals = s.arrivals.map(a => [
    el("code", {}, a.gradient),
    " of ",
    el("b", {}, a.tensor || "the output"),
    " ",
    el("span", { class: "soft" }, shapeText(a.shape)),
    sumOf(a),
  ]);
  const sends = s.sends.map(x => [
    el("code", {}, x.input),
    el("span", { class: "arrow" }, " → "),
    link(x.to),
    el("pre", {}, x.call),
    el("div", { class: "sent" }, picture(x.value, x.shape)),
    x.summed
      ? el(
          "p",
          { class: "soft" },
          `Computed in shape ${shapeText(x.summed)}; ${x.summed.length === x.shape.length && x.summed.every((n, k) => n === x.shape[k]) ? "" : "what broadcasting copied is summed to "}${shapeText(x.shape)}.`,
        )
      : null,
  ]);
  const ends =
    b.kind === "leaf"
      ? section("Adds", el("p", {}, "The gradient is added to ", el("code", {}, `${b.name || "leaf"}.grad`), "."))
      : [];
  const before = s.hooks.filter(h => ["tensor", "retain", "pre"].includes(h.kind)),
    after = s.hooks.filter(h => !before.includes(h));
  return [
    ...section("Came in", list(arrivals)),
    ...section("Hooks, before it runs", list(before.map(hookText))),
    ...section("Goes to", list(sends)),
    ...ends,
    ...section("Hooks, after it has run", list(after.map(hookText))),
    ...section(
      "The derivative",
      s.derivatives.map(d => el("pre", { tabindex: "0", "aria-label": `Source of ${d.name}` }, d.text)),
    ),
    ...section("Was kept", list(b.keeps.map(keptText))),
    ...section("Freed now", s.freed.length ? el("p", {}, s.freed.join("; ")) : null),
  ];
}

function sumOf(a) {
  if (a.parts.length === 1)
    return el(
      "div",
      { class: "sum" },
      picture(a.total, a.shape),
      el("span", { class: "soft" }, a.parts[0].from ? ["from ", link(a.parts[0].from)] : "the start: ∂loss/∂loss = 1"),
    );
  const parts = a.parts.map((p, k) => [
    k ? el("span", { class: "arrow" }, "+") : null,
    el("span", {}, picture(p.value, a.shape, 120), " ", p.from ? link(p.from) : null),
  ]);
  return el("div", { class: "sum" }, parts, el("span", { class: "arrow" }, "="), picture(a.total, a.shape));
}

const HOOKS = {
  tensor: "hook of the tensor",
  retain: "keeps the gradient in .grad",
  pre: "hook of the node, before it",
  post: "hook of the node, after it",
  accumulated: "hook of the leaf, when .grad is there",
};

function hookText(h) {
  const changed = h.called && JSON.stringify(h.before) !== JSON.stringify(h.after);
  const values = list => list.map(p => (p ? picture(p) : el("span", { class: "soft" }, "None")));
  return [
    el("code", {}, h.name),
    " ",
    el("span", { class: "soft" }, HOOKS[h.kind] + (h.line ? `, line ${h.line.nr}` : "")),
    h.kind === "retain"
      ? null
      : !h.called
        ? el("span", { class: "soft" }, "; not called for this page")
        : el(
            "div",
            { class: "sum" },
            values(h.before),
            changed
              ? [el("span", { class: "arrow" }, "→"), values(h.after)]
              : el("span", { class: "soft" }, "left as it is"),
          ),
  ];
}

function updates(s) {
  return section(
    "Parameters",
    list(
      s.rows.map(r => [
        el("b", {}, r.name),
        el(
          "div",
          { class: "sum" },
          picture(r.before, null, 120),
          el("span", { class: "arrow" }, "→"),
          picture(r.after, null, 120),
        ),
      ]),
    ),
  );
}
