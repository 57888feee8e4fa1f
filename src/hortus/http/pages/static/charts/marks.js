// What happened, in a lane under the charts: asked for apart from the points, so that it never delays a line.
import { clockText, now, root, text, view } from "./view.js";
import { counted, filled, words } from "./words.js";

const WIDTHS = 4;
const COARSE = matchMedia("(pointer: coarse)");
const lane = document.getElementById("lane");
const dialog = document.getElementById("mark-dialog");

// What is at hand, and for which range.
const held = { from: 0, to: 0, events: [], causes: [], absent: [] };
let asking = null;

// Asks for what happened in the view and around it, unless that is at hand.
export async function loadMarks(afresh = false) {
  if (!lane || (!afresh && view.from >= held.from && view.to <= held.to)) return false;
  asking?.abort();
  const controller = (asking = new AbortController());
  const length = view.to - view.from;
  const to = Math.min(view.to + length, now());
  const range = { from: Math.max(0, to - WIDTHS * length), to: to + 60 };
  const query = new URLSearchParams({ from: text(range.from), to: text(range.to) });
  if (view.query.get("marks")) query.set("kinds", view.query.get("marks"));
  const response = await fetch(`${root.dataset.events}?${query}`, { signal: controller.signal, credentials: "same-origin" }).catch(() => null);
  // Without an answer, the marks at hand stay; the next move asks again.
  if (!response?.ok || controller !== asking) return false;
  Object.assign(held, range, await response.json());
  lane.classList.add("drawn");
  drawMarks();
  return true;
}

// Draws what is at hand. A sign that has the focus stays the same element.
export function drawMarks() {
  if (!lane?.classList.contains("drawn")) return;
  const width = lane.clientWidth;
  const x = (seconds) => ((seconds - view.from) / (view.to - view.from)) * width;
  const seen = held.events.filter(({ from, to }) => from <= view.to && (to ?? now()) >= view.from);
  const focused = document.activeElement?.dataset?.first;
  lane.replaceChildren(...bars(seen, x, width), ...groups(seen, x).map((group) => sign(group)));
  if (focused) lane.querySelector(`[data-first="${CSS.escape(focused)}"]`)?.focus();
}

function bars(events, x, width) {
  return events.filter(({ from, to }) => (to ?? now()) > from).map(({ kind, from, to }) => {
    const left = Math.max(0, x(from));
    const bar = Object.assign(document.createElement("span"), { className: `bar-of ${colour(kind)}` });
    bar.style.left = `${left}px`;
    bar.style.width = `${Math.min(width, x(to ?? now())) - left}px`;
    return bar;
  });
}

// The events whose signs would be closer than they can be told apart, together.
function groups(events, x) {
  const near = COARSE.matches ? 44 : 24;
  const found = [];
  for (const event of events.slice().sort((a, b) => a.from - b.from)) {
    const left = Math.max(0, x(event.from));
    const last = found.at(-1);
    if (last && left - last.left < near) last.events.push(event);
    else found.push({ left, events: [event] });
  }
  return found;
}

function sign({ left, events }) {
  const button = document.createElement("button");
  const kinds = new Set(events.map(({ kind }) => kind));
  button.type = "button";
  button.dataset.first = events[0].id;
  button.style.left = `${left}px`;
  button.title = events.length === 1 ? events[0].title : counted(words.marks, events.length, { time: clockText(events[0].from) });
  button.setAttribute("aria-label", button.title);
  if (events.length === 1) button.append(signOf(events[0].kind));
  else button.append(Object.assign(document.createElement("span"), { className: "number", textContent: events.length }));
  button.dataset.kind = kinds.size === 1 ? events[0].kind : "several";
  button.addEventListener("click", () => open(events, button.title));
  return button;
}

function signOf(kind) {
  return document.querySelector(`[data-mark-sign="${kind}"]`)?.firstElementChild.cloneNode(true) ?? "";
}

function colour(kind) {
  return document.querySelector(`[data-mark-sign="${kind}"] .sign`)?.classList[1] ?? "calm";
}

function open(events, title) {
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("ul").replaceChildren(...events.map((event) => {
    const item = document.createElement("li"), what = document.createElement("span");
    const name = document.createElement(event.page ? "a" : "span");
    name.textContent = event.title;
    if (event.page) name.href = root.dataset.events.replace(/\/kits\/[^/]+\/events\.json$/, event.page);
    what.append(`${times(event)} `, name);
    item.append(signOf(event.kind), what);
    return item;
  }));
  dialog.showModal();
}

function times({ from, to }) {
  const start = clockText(Math.floor(from));
  if (to === null) return filled(words.since, { start });
  return to === from ? start : filled(words.fromTo, { start, end: clockText(Math.floor(to), from) });
}

// Why there were no readings of these sensors, in words; empty if it is not known.
export function causeOf(from, to, names) {
  const explains = (spans) => spans.reduce((sum, each) => sum + Math.max(0, Math.min(to, each.to ?? now()) - Math.max(from, each.from)), 0) >= (to - from) / 2;
  for (const cause of ["outage", "silent"]) {
    if (explains(held.causes.filter((each) => each.cause === cause))) return words.causes[cause];
  }
  const isAbsent = names.length && names.every((name) => explains(held.absent.filter((each) => each.name === name)));
  return isAbsent ? words.causes.absent : "";
}
