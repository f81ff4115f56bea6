// The graph's layout, without a library: rows by longest path, order in a row by the neighbours' mean place, then places that keep
// neighbours near each other. What is folded open is laid out by itself first, and is one item of the layout around it.
"use strict";

const GAP_X = 26,
  GAP_Y = 44,
  GAP_PIN = 16,
  PAD = 12,
  HEAD = 30;

/** Rows of items: where each one is, and through which points each edge goes. items: {id, w, h, pin}; edges: {from, to}. */
function layered(items, edges) {
  const item = new Map(items.map(i => [i.id, i]));
  const rank = ranks(items, edges);
  const rows = [];
  const put = (id, r) => {
    (rows[r] = rows[r] || []).push(id);
  };
  for (const i of items) put(i.id, rank.get(i.id));
  for (let r = 0; r < rows.length; r++) rows[r] = rows[r] || [];
  const segments = new Map(); // "a>b" → [a, b], between neighbouring rows
  const join = (a, b) => segments.set(a + ">" + b, [a, b]);
  const bendAt = (from, r) => {
    // edges of one origin share their way
    const id = from + "@" + r;
    if (!item.has(id)) {
      item.set(id, { id, w: 8, h: 0, bend: true });
      put(id, r);
    }
    return id;
  };
  const ways = new Map();
  for (const { from, to } of edges) {
    let last = from;
    const way = [];
    for (let r = rank.get(from) + 1; r < rank.get(to); r++) {
      const id = bendAt(from, r);
      join(last, id);
      way.push(id);
      last = id;
    }
    join(last, to);
    ways.set(from + ">" + to, way);
  }
  const above = new Map(),
    below = new Map();
  for (const id of item.keys()) {
    above.set(id, []);
    below.set(id, []);
  }
  for (const [a, b] of segments.values()) {
    above.get(b).push(a);
    below.get(a).push(b);
  }
  order(rows, above, below);
  const x = places(rows, item, above, below);
  const at = new Map(),
    hasInput = new Set(edges.map(e => e.to));
  const pinned = row => row && row.some(id => item.get(id).pin);
  let y = 0;
  for (const [r, row] of rows.entries()) {
    const h = Math.max(0, ...row.map(id => item.get(id).h));
    for (const id of row) {
      const i = item.get(id);
      at.set(id, {
        x: x.get(id),
        y:
          y +
          (i.pin === "bottom" || (!i.bend && !i.pin && !hasInput.has(id))
            ? h - i.h
            : i.bend || i.pin
              ? 0
              : (h - i.h) / 2),
        w: i.w,
        h: i.h,
        row: [y, y + h],
      });
    }
    y += h + (r === rows.length - 1 ? 0 : pinned(row) || pinned(rows[r + 1]) ? GAP_PIN : GAP_Y);
  }
  const right = Math.max(0, ...[...at.values()].map(p => p.x + p.w / 2));
  const bends = new Map();
  for (const [key, way] of ways)
    bends.set(
      key,
      way.flatMap(id => at.get(id).row.map(v => [at.get(id).x, v])),
    );
  return { w: right, h: y, at, bends, above };
}

/** Row numbers: below all that comes in; what nothing comes into stands just above its first user. */
function ranks(items, edges) {
  const ins = new Map(items.map(i => [i.id, []])),
    outs = new Map(items.map(i => [i.id, []]));
  for (const e of edges) {
    ins.get(e.to).push(e.from);
    outs.get(e.from).push(e.to);
  }
  const rank = new Map(),
    left = new Map(items.map(i => [i.id, ins.get(i.id).length]));
  const topPins = items.some(i => i.pin === "top") ? 1 : 0;
  const ready = items.filter(i => !left.get(i.id)).map(i => i.id);
  for (const id of ready) rank.set(id, topPins);
  for (let k = 0; k < ready.length; k++) {
    for (const to of outs.get(ready[k])) {
      rank.set(to, Math.max(rank.get(to) || 0, rank.get(ready[k]) + 1));
      left.set(to, left.get(to) - 1);
      if (!left.get(to)) ready.push(to);
    }
  }
  for (const i of items) if (!rank.has(i.id)) rank.set(i.id, 0);
  for (const i of items) {
    const users = outs.get(i.id).map(id => rank.get(id));
    if (!ins.get(i.id).length && users.length) rank.set(i.id, Math.max(topPins, Math.min(...users) - 1));
  }
  const most = Math.max(0, ...items.filter(i => !i.pin).map(i => rank.get(i.id)));
  for (const i of items) if (i.pin) rank.set(i.id, i.pin === "top" ? 0 : most + 1);
  return rank;
}

/** The order in each row, by sweeps down and up; the one with the fewest crossings is kept. */
function order(rows, above, below) {
  const index = new Map();
  const note = row => row.forEach((id, k) => index.set(id, k));
  rows.forEach(note);
  const crossings = () => {
    let n = 0;
    for (const row of rows) {
      const ends = row.flatMap((id, k) => below.get(id).map(to => [k, index.get(to)]));
      if (ends.length > 400) continue;
      for (let i = 0; i < ends.length; i++)
        for (let j = 0; j < i; j++) if ((ends[i][0] - ends[j][0]) * (ends[i][1] - ends[j][1]) < 0) n++;
    }
    return n;
  };
  let best = rows.map(r => [...r]),
    fewest = crossings();
  for (let sweep = 0; sweep < 8 && fewest; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      const key = new Map(
        row.map((id, k) => {
          const near = (down ? above : below).get(id).map(n => index.get(n));
          return [id, near.length ? near.reduce((a, b) => a + b) / near.length : k];
        }),
      );
      row.sort((a, b) => key.get(a) - key.get(b) || index.get(a) - index.get(b));
      note(row);
    }
    const n = crossings();
    if (n < fewest) {
      fewest = n;
      best = rows.map(r => [...r]);
    }
  }
  best.forEach((r, k) => {
    rows[k] = r;
    note(r);
  });
}

/** Middles along a row: near the neighbours above and below, in the row's order, without overlap. */
function places(rows, item, above, below) {
  const x = new Map();
  for (const row of rows) {
    let left = 0;
    for (const id of row) {
      x.set(id, left + item.get(id).w / 2);
      left += item.get(id).w + GAP_X;
    }
  }
  const bend = id => (item.get(id).bend ? 1 : 0);
  const pull = (row, sides) => {
    const wanted = [],
      weight = [];
    for (const id of row) {
      let sum = 0,
        w = 0;
      for (const side of sides)
        for (const n of side.get(id)) {
          const k = [1, 3, 9][bend(id) + bend(n)];
          sum += k * x.get(n);
          w += k;
        }
      wanted.push(w ? sum / w : x.get(id));
      weight.push(w || 0.05);
    }
    apart(row, item, wanted, weight).forEach((v, k) => x.set(row[k], v));
  };
  for (let k = 0; k < 6; k++) {
    for (const row of rows) pull(row, [above]);
    for (const row of [...rows].reverse()) pull(row, [below]);
  }
  for (const row of rows) pull(row, [above, below]);
  const least = Math.min(...[...x].map(([id, v]) => v - item.get(id).w / 2));
  for (const [id, v] of x) x.set(id, v - least);
  return x;
}

/** The places nearest to those wanted (least squares) in which nothing overlaps: runs that would are moved as one. */
function apart(row, item, wanted, weight) {
  const offset = [0];
  for (let k = 1; k < row.length; k++)
    offset.push(offset[k - 1] + (item.get(row[k - 1]).w + item.get(row[k]).w) / 2 + GAP_X);
  const runs = [];
  for (let k = 0; k < row.length; k++) {
    runs.push({ sum: weight[k] * (wanted[k] - offset[k]), w: weight[k], n: 1 });
    while (runs.length > 1) {
      const b = runs[runs.length - 1],
        a = runs[runs.length - 2];
      if (a.sum / a.w <= b.sum / b.w) break;
      runs.pop();
      a.sum += b.sum;
      a.w += b.w;
      a.n += b.n;
    }
  }
  const found = [];
  for (const run of runs) for (let k = 0; k < run.n; k++) found.push(run.sum / run.w + offset[found.length]);
  return found;
}

// ---- folds ----

/** All boxes of a fold and of those in it. */
function boxesOf(fold) {
  return fold.children.flatMap(c => (typeof c === "string" ? [c] : boxesOf(c)));
}

/** Lay out a fold and those in it that are open. sizeOf(child) is the size of a box, or of a fold that is closed. */
function place(fold, edges, isOpen, sizeOf, isRoot) {
  const items = [],
    holder = new Map();
  for (const child of fold.children) {
    const id = typeof child === "string" ? child : child.key;
    const inside = typeof child === "string" ? [child] : boxesOf(child);
    inside.forEach(box => holder.set(box, id));
    if (typeof child !== "string" && isOpen(child)) {
      const inner = place(child, edges, isOpen, sizeOf, false);
      items.push({ id, fold: child, inner, w: Math.max(inner.w, 150) + 2 * PAD, h: inner.h + HEAD + PAD });
    } else {
      items.push({ id, fold: typeof child === "string" ? null : child, ...sizeOf(child) });
    }
  }
  const between = new Map(),
    pins = new Map();
  for (const { from, to } of edges) {
    let a = holder.get(from),
      b = holder.get(to);
    if ((!a && !b) || a === b || (isRoot && !(a && b))) continue;
    if (!a) {
      a = "in:" + from;
      pins.set(a, "top");
    }
    if (!b) {
      b = "out:" + from;
      pins.set(b, "bottom");
    }
    between.set(a + ">" + b, { from: a, to: b });
  }
  for (const [id, pin] of pins) items.push({ id, w: 8, h: 0, pin });
  const found = layered(items, [...between.values()]);
  if (!items.length) {
    found.w = 120;
    found.h = 0;
  }
  return { ...found, fold, holder, items: new Map(items.map(i => [i.id, i])), ox: 0, oy: 0 };
}

/** Give every fold that is open its place on the page. */
function settle(placed, ox, oy) {
  placed.ox = ox;
  placed.oy = oy;
  for (const i of placed.items.values())
    if (i.inner) {
      const p = placed.at.get(i.id);
      settle(i.inner, ox + p.x - p.w / 2 + (p.w - i.inner.w) / 2, oy + p.y + HEAD);
    }
}

/** The points through which an edge goes, from the bottom of one box to the top of the other. */
function route(placed, from, to) {
  const a = placed.holder.get(from),
    b = placed.holder.get(to);
  if (a === b) return placed.items.get(a).inner ? route(placed.items.get(a).inner, from, to) : [];
  return [...leave(placed, a, from), ...bendsOf(placed, a, b), ...enter(placed, a, b, from, to)];
}

function bendsOf(placed, a, b) {
  return (placed.bends.get(a + ">" + b) || []).map(([x, y]) => [x + placed.ox, y + placed.oy]);
}

function leave(placed, id, from) {
  const inner = placed.items.get(id).inner;
  if (!inner) {
    const p = placed.at.get(id),
      x = placed.ox + p.x;
    return [
      [x, placed.oy + p.y + p.h],
      [x, placed.oy + p.row[1]],
    ];
  }
  const a = inner.holder.get(from),
    port = inner.at.get("out:" + from);
  const end = [
    [inner.ox + port.x, inner.oy + inner.h],
    [inner.ox + port.x, inner.oy + inner.h + PAD],
  ];
  return [...leave(inner, a, from), ...bendsOf(inner, a, "out:" + from), ...end];
}

function enter(placed, a, id, from, to) {
  const inner = placed.items.get(id).inner;
  if (inner) {
    const b = inner.holder.get(to),
      port = inner.at.get("in:" + from);
    const start = [
      [inner.ox + port.x, inner.oy - HEAD],
      [inner.ox + port.x, inner.oy],
    ];
    return [...start, ...bendsOf(inner, "in:" + from, b), ...enter(inner, "in:" + from, b, from, to)];
  }
  const p = placed.at.get(id);
  const near = placed.above
    .get(id)
    .map(n => [placed.at.get(n).x, n])
    .sort((l, r) => l[0] - r[0]);
  const last = near.findIndex(([, n]) => n === a || n.startsWith(a + "@"));
  const step = Math.min(30, (p.w * 0.7) / Math.max(1, near.length));
  const x = placed.ox + p.x + (last - (near.length - 1) / 2) * step;
  return [
    [x, placed.oy + p.row[0]],
    [x, placed.oy + p.y],
  ];
}

/** A smooth line through the points, downwards. */
function curve(points) {
  let d = "";
  points.forEach(([x, y], k) => {
    if (!k) {
      d += `M${x.toFixed(1)} ${y.toFixed(1)}`;
      return;
    }
    const [px, py] = points[k - 1];
    if (Math.abs(px - x) < 0.5) {
      d += `L${x.toFixed(1)} ${y.toFixed(1)}`;
      return;
    }
    const half = (y - py) / 2;
    d += `C${px.toFixed(1)} ${(py + half).toFixed(1)} ${x.toFixed(1)} ${(y - half).toFixed(1)} ${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return d;
}
