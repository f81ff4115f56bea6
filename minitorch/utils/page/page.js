// Going through the steps: what is marked at each, and what keys, buttons and the search do.

function show(step, scroll = true) {
  state.step = Math.max(0, Math.min(data.steps.length - 1, step));
  const s = data.steps[state.step];
  document.body.dataset.phase = s.phase;
  document.body.dataset.step = state.step;
  $("slider").value = state.step;
  $("slider").setAttribute("aria-valuetext", `${state.step} of ${data.steps.length - 1}: ${s.phase}, ${s.title}`);
  $("count").textContent = `${state.step} / ${data.steps.length - 1}`;
  $("say").textContent = s.say;
  $("kept").textContent = `Kept for backward: ${keptNow().toLocaleString("en")} B`;
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
  const touched = new Set(),
    along = new Set();
  if (s.phase === "forward")
    for (const i of boxes.get(s.box).inputs) {
      along.add(i.from + ">" + s.box);
    }
  if (s.phase === "backward")
    for (const sent of s.sends) {
      along.add(sent.to + ">" + s.box);
      touched.add(sent.to);
    }
  if (s.phase === "update") for (const row of s.rows) if (row.box) touched.add(row.box);
  for (const e of new Set(shown.values())) {
    e.classList.remove("now", "touched");
    e.tabIndex = e.dataset.fold ? 0 : -1;
  }
  for (const id of touched) shown.get(id).classList.add("touched");
  const first = s.box ? shown.get(s.box) : shown.values().next().value;
  if (first) first.tabIndex = 0;
  if (s.box) first.classList.add("now");
  for (const { lines, edges } of paths) {
    const now = edges.some(e => along.has(e.from + ">" + e.to));
    const passed = edges.some(e => backwardStep.get(e.to) <= state.step && backwardStep.has(e.from));
    const idle = edges.every(e => forwardStep.get(e.to) > state.step);
    for (const line of lines) line.setAttribute("class", now ? s.phase : passed ? "passed" : idle ? "idle" : "");
  }
}

function bringIntoView(s) {
  const e = s.box && shown.get(s.box),
    view = $("view");
  if (!e) {
    if (s.phase === "given") view.scrollTo((view.scrollWidth - view.clientWidth) / 2, 0);
    return;
  }
  const z = state.zoom,
    left = e.offsetLeft * z,
    top = e.offsetTop * z,
    w = e.offsetWidth * z,
    h = e.offsetHeight * z,
    room = 70;
  const pad = parseFloat($("plane").style.marginLeft) || 0;
  if (left + pad < view.scrollLeft || left + pad + w > view.scrollLeft + view.clientWidth)
    view.scrollLeft = left + pad + w / 2 - view.clientWidth / 2;
  if (top - room < view.scrollTop || top + h + room > view.scrollTop + view.clientHeight)
    view.scrollTop = top + h / 2 - view.clientHeight / 2;
}

/** Go to a box's own step in the phase that is shown. */
function goTo(id) {
  const backward = ["backward", "update"].includes(data.steps[state.step].phase);
  const step = backward ? (backwardStep.get(id) ?? forwardStep.get(id)) : (forwardStep.get(id) ?? backwardStep.get(id));
  show(step === undefined ? 0 : step);
}

// ---- zoom, folds, search, keys ----

function zoomTo(z) {
  const w = +$("plane").dataset.w,
    h = +$("plane").dataset.h;
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
  draw();
  show(state.step, false);
  const again =
    $("boxes").querySelector(`[data-key="${CSS.escape(fold.key)}"] > button`) ||
    document.getElementById("fold:" + fold.key);
  if (again) again.focus();
}

function openAll(open) {
  state.open = new Set(open ? folds.map(f => f.fold.key) : []);
  draw();
  fit();
  show(state.step);
}

let hits = [],
  hit = -1;
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
  bringIntoView({ box: hits[hit] });
}

function key(event) {
  const inText = event.target.id === "find";
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (inText) {
    if (event.key === "Enter") nextHit();
    else if (event.key === "Escape") {
      $("find").value = "";
      search();
    }
    return;
  }
  const last = data.steps.length - 1;
  const step = { ArrowRight: state.step + 1, ArrowLeft: state.step - 1, Home: 0, End: last }[event.key];
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
  $("phases").replaceChildren(
    ...Object.entries(count).map(([phase, n]) => el("i", { class: phase, style: `flex:${n}` })),
  );
  $("slider").max = data.steps.length - 1;
  $("slider").addEventListener("input", () => show(+$("slider").value));
  for (const [id, step] of [
    ["first", () => 0],
    ["back", () => state.step - 1],
    ["on", () => state.step + 1],
    ["last", () => 1e9],
  ])
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
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    inks = null;
    draw();
    show(state.step, false);
  });
  $("memory").textContent = data.memory;
  openAtFirst();
  draw();
  fit();
  show(0);
}

start();
