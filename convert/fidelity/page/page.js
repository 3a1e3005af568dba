"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, inside = document) => inside.querySelector(selector);
const $$ = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const number = (value) => (value === null || value === undefined ? null : Number(value));
const text = (value, digits = 3) => {
  const n = number(value);
  if (n === null) return "-";
  if (!Number.isFinite(n)) return String(n).replace("Infinity", "inf");
  if (Math.abs(n) >= 100 && Math.abs(n) < 1e6) return n.toFixed(0);
  return n !== 0 && Math.abs(n) < 0.01 ? n.toExponential(digits - 1) : String(Number(n.toPrecision(digits)));
};

// As on the table: what is below 1 is never rounded up to it, for above 1 stands a defect.
function ofBound(value) {
  const n = number(value);
  if (n === null || !(n > 0.999 && n < 1.01) || n === 1) return text(n);
  return n < 1 ? "0.999" : String(Math.ceil(1000 * n) / 1000);
}

function element(name, content, attributes = {}) {
  const svg = ["svg", "rect", "line", "text", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const part of Array.isArray(content) ? content : [content]) made.append(part);
  return made;
}

// A grid of cells is one stop of the tab key; arrows move inside it, by where the cells lie on the screen.
function neighbour(cells, from, key) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (step) return cells[cells.indexOf(from) + step];
  if (key === "Home") return cells[0];
  if (key === "End") return cells[cells.length - 1];
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const here = from.getBoundingClientRect();
  let best, least = Infinity;
  for (const cell of cells) {
    const there = cell.getBoundingClientRect();
    const down = key === "ArrowDown" ? there.top - here.top : here.top - there.top;
    if (down < here.height / 2) continue;
    const far = 1000 * down + Math.abs(there.left - here.left);
    if (far < least) [best, least] = [cell, far];
  }
  return best;
}

function roving(grid) {
  const cells = $$(".cell", grid);
  const readout = $(".readout", grid.parentElement);
  const say = (cell) => cell && (readout.textContent = cell.getAttribute("aria-label"));
  cells.forEach((cell, i) => (cell.tabIndex = i ? -1 : 0));
  grid.addEventListener("keydown", (event) => {
    const next = neighbour(cells, event.target, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  grid.addEventListener("focusin", (event) => {
    cells.forEach((cell) => (cell.tabIndex = cell === event.target ? 0 : -1));
    say(event.target);
  });
  grid.addEventListener("pointerover", (event) => say(event.target.closest(".cell")));
}

// --- the table -----------------------------------------------------------------------------------------------------
const bodies = { layers: $("#layers"), operators: $("#operators") };
const rows = { layers: [...bodies.layers.rows], operators: [...bodies.operators.rows] };
const order = { key: "at", up: true };
let view = "layers";

// What cannot be ordered stands last in both directions; infinity is a number and stands at its end.
function compare(a, b) {
  const bad = [a, b].map((v) => v === null || v === undefined || Number.isNaN(v));
  if (bad[0] || bad[1]) return bad[0] - bad[1];
  const sign = typeof a === "string" ? a.localeCompare(b) : a < b ? -1 : a > b ? 1 : 0;
  return order.up ? sign : -sign;
}

const WORDS = ["layer", "operator", "dtype", "verdict"];
function sortKey(i) {
  const record = data[view][i];
  if (order.key === "at") return i;
  return WORDS.includes(order.key) ? record[order.key] : number(record[order.key]);
}

function arrange() {
  const keys = rows[view].map((_, i) => sortKey(i));
  const places = keys.map((_, i) => i).sort((a, b) => compare(keys[a], keys[b]) || a - b);
  bodies[view].append(...places.map((i) => rows[view][i]));
  for (const th of $$("#table thead th")) {
    if ($("button", th).dataset.key !== order.key) th.removeAttribute("aria-sort");
    else th.setAttribute("aria-sort", order.up ? "ascending" : "descending");
  }
}

function filter() {
  const wanted = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  rows[view].forEach((row, i) => {
    const r = data[view][i];
    const words = [r.layer, r.name, r.operator, r.dtype, r.verdict, r.kind, r.note].join(" ").toLowerCase();
    row.hidden = !wanted.every((word) => words.includes(word));
    shown += !row.hidden;
  });
  $("#count").textContent = wanted.length ? `${shown} of ${rows[view].length}` : "";
}

function show(kind) {
  view = kind;
  for (const name of Object.keys(bodies)) bodies[name].hidden = name !== kind;
  $(`input[value=${kind}]`).checked = true;
  arrange();
  filter();
}

const NAMES = [
  ["name", "in the package"], ["operator", "operator"], ["dtype", "type"], ["source", "found by"],
];
const FIGURES = [
  ["sqnr", "SQNR, dB"], ["max_abs", "largest difference"], ["structure", "relative difference in float64"],
  ["local_rms", "made here, rms"], ["local_max", "made here, largest"], ["inherited_rms", "inherited, rms"],
  ["amplification", "amplification of what is inherited"], ["share", "largest error / its bound"],
  ["error_rms", "arithmetic up to here, rms"], ["error_max", "arithmetic up to here, largest"],
  ["gain", "systematic factor less 1"], ["gain_limit", "honest rounding stays below"], ["size_rms", "size, rms"],
  ["largest", "max |x|"], ["subnormals", "share of subnormals"],
];

function entry(name, value) {
  return element("div", [element("dt", name), element("dd", value)]);
}

function figures(record) {
  const list = element("dl", []);
  for (const [key, name] of NAMES) if (record[key]) list.append(entry(name, record[key]));
  for (const [key, name] of FIGURES) if ((record[key] ?? null) !== null) list.append(entry(name, (key === "share" ? ofBound : text)(record[key])));
  for (const [expression, dtype, held] of (record.at && data.constants[record.layer]) || [])
    list.append(entry(`constant ${expression}`, `${dtype}, ${held}`));
  return list;
}

function executed(places) {
  const list = element("dl", []);
  for (const i of places) {
    const link = element("button", `${data.operators[i].operator} ${data.operators[i].name}`, { type: "button" });
    link.addEventListener("click", () => visit("operators", i));
    list.append(entry(link, `${ofBound(data.operators[i].share)} of its bound`));
  }
  return list;
}

function detail(i) {
  const record = data[view][i], panel = $("#detail");
  const last = record.at ? data.operators[record.at[record.at.length - 1]] : record;
  const close = element("button", "close", { type: "button" });
  close.addEventListener("click", () => {
    panel.classList.remove("on");
    rows[view][i].focus();
  });
  panel.replaceChildren(close, element("h3", view === "layers" ? record.layer : record.name));
  if (record.note) panel.append(element("p", record.note));
  if (last) panel.append(histogram(last.magnitudes));
  panel.append(figures(record));
  if (record.at?.length) panel.append(element("h3", "its operators"), executed(record.at));
  panel.classList.add("on");
}

// Bin 0 holds zeros and what is below 2^-25, bin k 2^(k-26) to 2^(k-25), the last 2^16 and above or not finite.
function histogram(counts) {
  const width = 480, height = 190, left = 14, right = 56, floor = 140, top = 30;
  const step = (width - left - right) / counts.length;
  const x = (exponent) => left + step * (exponent + 26);
  const most = Math.log1p(Math.max(...counts, 1));
  const svg = element("svg", [], { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img" });
  svg.setAttribute("aria-label", "histogram of magnitudes, logarithmic counts");
  counts.forEach((count, k) => {
    const tall = ((floor - top) * Math.log1p(count)) / most;
    const ends = k === 0 ? "below 2^-25" : k === counts.length - 1 ? "2^16 or not finite" : `2^${k - 26} to 2^${k - 25}`;
    const bar = { x: left + step * k + 0.5, y: floor - tall, width: step - 1, height: tall };
    svg.append(element("rect", element("title", `${ends}: ${count}`), bar));
  });
  svg.append(element("line", [], { x1: left, x2: width - right, y1: floor, y2: floor }));
  const raised = (e) => String(e).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  for (let e = -25; e <= 10; e += 5)
    svg.append(element("text", `2${raised(e)}`, { x: x(e), y: floor + 18, "text-anchor": "middle" }));
  const marks = [[-14, "subnormal", "end", -4], [15, "32768", "end", -4], [Math.log2(65504), "65504", "start", 4]];
  for (const [exponent, name, anchor, aside] of marks) {
    svg.append(element("line", [], { class: "mark", x1: x(exponent), x2: x(exponent), y1: 6, y2: floor }));
    svg.append(element("text", name, { x: x(exponent) + aside, y: 18, "text-anchor": anchor }));
  }
  svg.append(element("text", "magnitude; counts are logarithmic", { x: width - right, y: floor + 42, "text-anchor": "end" }));
  return svg;
}

function select(row, focus = true) {
  for (const old of $$("tr[aria-selected]")) {
    old.removeAttribute("aria-selected");
    old.tabIndex = -1;
  }
  row.setAttribute("aria-selected", "true");
  row.tabIndex = 0;
  detail(rows[view].indexOf(row));
  if (focus) row.focus({ preventScroll: true });
}

function visit(kind, i) {
  $("#filter").value = "";
  show(kind);
  rows[kind][i].scrollIntoView({ block: "center", behavior: "instant" });
  select(rows[kind][i]);
}

// A header sorts, sorts the other way round, and gives the order of execution back.
const upwards = (key) => WORDS.includes(key) || key === "at" || key === "sqnr";
for (const th of $$("#table thead th"))
  $("button", th).addEventListener("click", (event) => {
    const key = event.currentTarget.dataset.key;
    if (order.key !== key) Object.assign(order, { key, up: upwards(key) });
    else if (order.up === upwards(key)) order.up = !order.up;
    else Object.assign(order, { key: "at", up: true });
    arrange();
  });
$("#filter").addEventListener("input", filter);
for (const radio of $$("input[name=view]")) radio.addEventListener("change", () => show(radio.value));
for (const body of Object.values(bodies)) {
  body.addEventListener("click", (event) => select(event.target.closest("tr")));
  body.addEventListener("keydown", (event) => {
    const shown = [...body.rows].filter((row) => !row.hidden), at = shown.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    if (shown[to]) {
      select(shown[to]);
      shown[to].scrollIntoView({ block: "nearest", behavior: "instant" });
    }
  });
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#l']");
  if (!link) return;
  event.preventDefault();
  visit("layers", Number(link.hash.slice(2)));
});
$$(".grid").forEach(roving);
const slider = $("#slider");
if (slider) {
  const box = $(".compare");
  const slide = () => box.style.setProperty("--cut", `${slider.value}%`);
  slider.addEventListener("input", slide);
  const drag = (event) => {
    const edge = box.getBoundingClientRect();
    slider.value = (100 * (event.clientX - edge.left)) / edge.width;
    slide();
  };
  box.addEventListener("pointerdown", drag);
  box.addEventListener("pointermove", (event) => event.buttons && drag(event));
  slide();
}
rows.layers.concat(rows.operators).forEach((row, i) => (row.tabIndex = i === 0 || i === rows.layers.length ? 0 : -1));
const first = $("h1 .goto");
if (first && matchMedia("(min-width: 1000px)").matches) select(rows.layers[Number(first.hash.slice(2))], false);
