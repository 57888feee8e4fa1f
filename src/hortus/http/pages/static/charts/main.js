// Makes the pictures of the charts' page ones to zoom, to read off and to follow. Without it they are links.
import { append, ask, held, isEnough } from "./data.js";
import { listen } from "./gestures.js";
import { follow as followFeed } from "./live.js";
import { drawMarks, loadMarks } from "./marks.js";
import { Panel } from "./plot.js";
import { Cursor } from "./readout.js";
import { copyLink, savePicture } from "./save.js";
import { bound } from "./scale.js";
import { address, clockText, follow, moves, now, rangeName, readAddress, root, view, within } from "./view.js";
import { counted, filled, words } from "./words.js";

const TOGETHER_MS = 2000;
const PARTS_MS = 400;
const STEP_MS = 5000;
const RENEW_MS = 300000;
const MARKS_MS = 60000;
const AHEAD_SECONDS = 10;

const panels = Array.from(root.querySelectorAll(".panel"), (figure) => new Panel(figure));
const cursor = new Cursor(panels);
const notice = document.getElementById("chart-notice");
const select = document.getElementById("select");
const state = { selects: false, done: () => setSelecting(false) };
const timers = {};
let missed = 0;

// Runs it once, a while after the last call. `first`: after the first call.
function later(name, wait, run, first = false) {
  if (first && timers[name]) return;
  clearTimeout(timers[name]);
  timers[name] = setTimeout(() => {
    delete timers[name];
    run();
  }, wait);
}

function draw() {
  for (const panel of panels) panel.show();
  cursor.renew();
  showBands();
  drawMarks();
}

// Causes of gaps come with the marks.
async function renewMarks(afresh = false) {
  if (await loadMarks(afresh)) for (const panel of panels) panel.renew();
}

function showBands() {
  for (const panel of panels) {
    const band = panel.band;
    const label = panel.figure.querySelector(".target-label");
    if (!band || !label) continue;
    const others = new Set(held.bands.filter((each) => each.series === band.series).map((each) => `${each.low} ${each.high}`)).size - 1;
    const values = { range: panel.withUnit(rangeText(band)), whose: band.whose };
    const text = others ? counted(words.targets, others, values) : filled(words.target, values);
    if (label.textContent !== text) label.textContent = text;
  }
}

function rangeText({ low, high }) {
  if (low === null) return filled(words.atMost, { bound: bound(high) });
  return high === null ? filled(words.atLeast, { bound: bound(low) }) : `${bound(low)}–${bound(high)}`;
}

// Shows what is at hand at once, and finer points when they are there.
async function load(afresh = false) {
  draw();
  try {
    if (await ask(afresh)) {
      for (const panel of panels) panel.renew();
      cursor.renew();
      showBands();
    }
    if (notice.dataset.kind === "error") say("");
  } catch (error) {
    if (error.name === "AbortError") return;
    const seconds = error.retrySeconds ?? 5;
    const what = error.status === 503 ? [error.message, words.triesAgain] : [words.notLoaded, error.status ? error.message : words.noConnection];
    say(what.join(" "), "error");
    if (mayHelp(error)) later("again", seconds * 1000, () => load(true));
  }
}

// Whether asking again may help: not if the kit is hidden or the question wrong.
function mayHelp(error) {
  return !error.status || error.status >= 500 || error.status === 429;
}

function say(text, kind = "", link = null) {
  notice.dataset.kind = kind;
  notice.hidden = !text;
  notice.lastElementChild.replaceChildren(text, ...(link ? [" ", link] : []));
}

// Moves the view. `how`: push a step of the browser's history, replace it, or leave it alone.
function show(range, how) {
  if (range) Object.assign(view, within(...range), { follows: false });
  if (how === "push") history.pushState({ depth: (history.state?.depth ?? 0) + 1 }, "", address());
  else if (how === "replace") history.replaceState(history.state, "", address());
  if (view.follows) forgetMissed();
  draw();
  markBar();
  if (how !== "none") settle();
}

function settle() {
  later("load", 120, load);
  later("parts", PARTS_MS, renewParts);
  later("marks", PARTS_MS, renewMarks);
}

const act = {
  zoom: (from, to) => show([from, to], "push"),
  step: (from, to) => show([from, to], "replace"),
  // While a finger or the mouse moves, only what is at hand is drawn.
  pan: (from, to) => {
    const range = within(from, to);
    // A pan stops at the present and does not zoom.
    Object.assign(view, range, { follows: false });
    draw();
  },
  settle: () => {
    history.replaceState(history.state, "", address());
    markBar();
    settle();
  },
  back: () => {
    if (history.state?.depth) history.back();
    else if (!view.follows) act.reset();
  },
  reset: () => present("push"),
  table: () => {
    const table = document.getElementById("table");
    table.open = !table.open;
    if (table.open) table.querySelector("summary").focus();
  },
};

function present(how, range = null) {
  if (range) view.query.set("r", range);
  view.follows = true;
  follow();
  show(null, how);
}

// The five buttons and the ranges, in place: nothing that has focus is replaced.
function markBar() {
  for (const link of document.querySelectorAll(".ranges a")) {
    const range = new URLSearchParams(link.dataset.range).get("r");
    link.toggleAttribute("aria-current", view.follows && range === rangeName());
  }
  document.getElementById("move-now").toggleAttribute("aria-current", view.follows);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const { move, range } = link.dataset;
  if (move) {
    event.preventDefault();
    if (move === "now") present("push");
    else show(moves[move](view.from, view.to), move === "wider" || move === "closer" ? "push" : "replace");
  } else if (range !== undefined) {
    const name = new URLSearchParams(range).get("r");
    if (name === "all") return;
    event.preventDefault();
    present("push", name);
  } else if (link.dataset.tablePage !== undefined) {
    event.preventDefault();
    renewParts(link.href);
  }
});

addEventListener("popstate", () => {
  readAddress(location.search);
  show(null, "none");
  settle();
});

// The sentences, the table and the links of this view, made by the server like those of the first answer.
async function renewParts(from = address(true)) {
  const response = await fetch(from, { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const name = part.dataset.part, its = fresh.querySelector(`[data-part="${name}"]`);
    if (!its || part.innerHTML === its.innerHTML) continue;
    if (name === "bar") copyAddresses(part, its);
    else if (!part.contains(document.activeElement)) part.replaceChildren(...its.childNodes);
    else if (name === "table") replaceKeepingFocus(part, its);
  }
  markBar();
}

function copyAddresses(part, its) {
  const fresh = its.querySelectorAll("a");
  part.querySelectorAll("a").forEach((link, index) => {
    link.href = fresh[index].getAttribute("href");
  });
}

function replaceKeepingFocus(part, its) {
  const rel = document.activeElement.getAttribute("rel");
  part.replaceChildren(...its.childNodes);
  (part.querySelector(`a[rel="${rel}"]`) ?? part.querySelector("a"))?.focus();
}

function setSelecting(selects) {
  state.selects = selects;
  select.setAttribute("aria-pressed", String(selects));
}

function forgetMissed() {
  missed = 0;
  if (notice.dataset.kind === "news") say("");
}

function reading(id, seconds, value) {
  // The feed holds back what is further ahead of the server's clock, which we know to a second.
  if (seconds > now() + AHEAD_SECONDS) return;
  if (!view.follows) {
    const newest = held.series.get(id)?.at.at(-1) ?? 0;
    if (seconds <= newest && view.to >= seconds) later("fresh", TOGETHER_MS, () => load(true), true);
    if (seconds <= view.to) return;
    missed += 1;
    const link = Object.assign(document.createElement("a"), { href: document.getElementById("move-now").href, textContent: words.goToNow });
    link.dataset.move = "now";
    say(counted(words.newReadings, missed), "news", link);
  } else if (append(id, seconds, value)) {
    advance();
    for (const panel of panels) if (panel.ids.includes(id)) panel.renew();
  } else if (seconds > (held.series.get(id)?.at.at(-1) ?? 0) || !held.series.get(id)) {
    later("fresh", TOGETHER_MS, () => load(true), true);
  }
}

function advance() {
  if (!view.follows) return;
  follow();
  draw();
  if (!isEnough()) later("load", 120, load);
}

const live = document.getElementById("live");
let lostAt = null;

function tell(connection) {
  lostAt = connection === "live" ? null : lostAt ?? now();
  live.hidden = false;
  live.dataset.state = lostAt === null ? "live" : "lost";
  const text = lostAt === null ? words.live : filled(words.lost, { time: clockText(Math.floor(lostAt)) });
  const sign = document.getElementById("live-text");
  if (sign.textContent !== text) sign.textContent = text;
}

// Draws for the first time; until then the server's pictures stay.
async function begin() {
  try {
    await ask(true);
  } catch (error) {
    say(error.status === 503 ? error.message : words.picturesStay, "error");
    if (mayHelp(error)) later("again", (error.retrySeconds ?? 5) * 1000, begin);
    return;
  }
  say("");
  for (const panel of panels) panel.renew();
  markBar();
  const ranges = document.querySelector(".ranges");
  ranges.scrollLeft = (ranges.querySelector("[aria-current]")?.offsetLeft ?? 0) - ranges.offsetLeft - 48;
  showBands();
  root.dataset.state = "ready";
  renewMarks();
}

function start() {
  readAddress(location.search);
  history.replaceState({ depth: history.state?.depth ?? 0 }, "");
  for (const panel of panels) {
    const number = panel.figure.id.split("-")[1];
    panel.box.tabIndex = 0;
    panel.box.setAttribute("role", "group");
    panel.box.setAttribute("aria-roledescription", words.chart);
    panel.box.setAttribute("aria-labelledby", `panel-title-${number}`);
    panel.box.setAttribute("aria-describedby", `summary-${number} chart-keys`);
    listen(panel, cursor, act, state);
  }
  const wide = matchMedia("(min-width: 64rem)");
  if (wide.matches) document.getElementById("sensors").open = true;
  for (const id of ["save-png", "copy-link", "copy-following"]) document.getElementById(id).hidden = false;
  select.hidden = !matchMedia("(pointer: coarse)").matches;
  select.addEventListener("click", () => setSelecting(!state.selects));
  const saving = (id, run) => document.getElementById(id).addEventListener("click", run);
  const copied = document.getElementById("copied");
  saving("save-png", () => savePicture(panels));
  saving("copy-link", () => copyLink(address(true), copied));
  saving("copy-following", () => copyLink(address(false, true), copied));
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"]) {
    matchMedia(query).addEventListener("change", () => panels.forEach((panel) => panel.restyle()));
  }
  new ResizeObserver(() => {
    for (const panel of panels) panel.resize();
    cursor.renew();
  }).observe(root);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && root.dataset.state === "ready") load(true);
  });
  setInterval(advance, STEP_MS);
  setInterval(() => load(true), RENEW_MS);
  setInterval(() => document.visibilityState === "visible" && renewMarks(true), MARKS_MS);
  setInterval(() => view.follows && document.visibilityState === "visible" && renewParts(), 60000);
  followFeed({ reading, renew: () => load(true).then(() => tell(notice.dataset.kind === "error" ? "lost" : "live")), state: tell });
}

if (panels.length) {
  start();
  begin();
}
