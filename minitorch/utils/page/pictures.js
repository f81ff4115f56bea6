// Pictures of tensors: numbers, tables, heat maps.

/** The numbers of a picture as rows of floats, for a heat map. */
function gridOf(p) {
  if (p.grid) return p.grid;
  const rows = [];
  const walk = x => (Array.isArray(x[0]) ? x.forEach(walk) : rows.push(x.map(v => (v === "True" ? 1 : Number(v)))));
  walk(Array.isArray(p.numbers) ? p.numbers : [p.numbers]);
  return rows;
}

let inks = null; // of this colour scheme
function colours() {
  const style = inks ? null : getComputedStyle(document.documentElement);
  inks = inks || ["--minus", "--plus", "--zero"].map(n => style.getPropertyValue(n).trim());
  return inks;
}

/** Below zero in one colour, above in another; the strongest is the number farthest from zero. */
function heat(p, width) {
  const rows = gridOf(p),
    columns = Math.max(...rows.map(r => r.length));
  const canvas = el("canvas", { width: columns, height: rows.length, role: "img", "aria-label": described(p) });
  const [minus, plus, zero] = colours();
  const most = Math.max(...rows.flat().filter(Number.isFinite).map(Math.abs), 1e-30);
  const pen = canvas.getContext("2d");
  pen.fillStyle = zero;
  pen.fillRect(0, 0, columns, rows.length);
  rows.forEach((row, y) =>
    row.forEach((v, x) => {
      if (!Number.isFinite(v)) return;
      pen.fillStyle = `rgba(${v < 0 ? minus : plus},${(Math.abs(v) / most).toFixed(3)})`;
      pen.fillRect(x, y, 1, 1);
    }),
  );
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
const inRows = (list, n) => (list.length <= n ? [list] : [list.slice(0, n), ...inRows(list.slice(n), n)]);

/** A picture in full: a number, a table, or a heat map with its range. */
function picture(p, shape, width = 260) {
  if (!p) return el("span", { class: "soft" }, shape ? `shape ${shapeText(shape)}` : "not known");
  if (typeof p.numbers === "string") return el("code", { class: "picture" }, p.numbers);
  if (p.numbers && p.shape.length <= 2) {
    const rows =
      p.shape.length === 2
        ? p.numbers
        : inRows(p.numbers, Math.max(1, Math.floor(52 / (2 + Math.max(...p.numbers.map(v => v.length))))));
    const table = el(
      "table",
      { class: "num" },
      el(
        "tbody",
        {},
        rows.map(r =>
          el(
            "tr",
            {},
            r.map(v => el("td", {}, v)),
          ),
        ),
      ),
    );
    return el("span", { class: "picture" }, table);
  }
  if (p.numbers) return el("code", { class: "picture" }, flat(p.numbers));
  if (!p.grid) return el("span", { class: "soft" }, `shape ${shapeText(p.shape)}, empty`);
  const cell = p.block[0] * p.block[1] > 1 ? `; a cell is the mean of ${p.block[0]} × ${p.block[1]}` : "";
  return el("span", { class: "picture" }, heat(p, width), el("small", {}, described(p) + cell));
}

/** A picture in a box: a few numbers, or a small heat map. */
function small(p, letters) {
  if (!p) return el("span", { class: "n" }, "");
  const text = p.numbers === undefined ? "" : flat(p.numbers);
  if (text && text.length <= letters) return el("span", { class: "n" }, text);
  if (p.low === undefined) return el("span", { class: "n" }, "empty");
  return heat(p);
}
