// What the charts show: the range of time, kept in the address of the page. As hortus.http.pages.charts.view.

import { filled, locale, root, words } from "./words.js";

export { root };

const DAY = 86400;
const LENGTHS = { "1h": 3600, "6h": 21600, "24h": DAY, "3d": 3 * DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "1y": 365 * DAY };
const SHORTEST = 60;
const EARLIEST = Date.UTC(2010, 0, 1) / 1000;

// The server's clock, advanced by a monotonic one: this device's clock may be wrong.
let serverAt = Number(root.dataset.now);
let measuredAt = performance.now();

export function now() {
  return serverAt + (performance.now() - measuredAt) / 1000;
}

export function setNow(seconds) {
  serverAt = seconds;
  measuredAt = performance.now();
}

// `from` and `to` are what is drawn, in seconds; a view that `follows` ends now.
export const view = { from: Number(root.dataset.from), to: Number(root.dataset.to), follows: true, query: new URLSearchParams() };

export function readAddress(search) {
  const query = new URLSearchParams(search);
  view.query = query;
  const from = Date.parse(query.get("from")), to = Date.parse(query.get("to"));
  view.follows = !(from && to);
  if (!view.follows) Object.assign(view, { from: from / 1000, to: to / 1000 });
  else follow();
}

export function rangeName() {
  return view.query.get("r") ?? "24h";
}

// Ends now again. The range of all readings keeps its beginning.
export function follow() {
  const name = rangeName();
  view.to = now();
  if (LENGTHS[name]) view.from = view.to - LENGTHS[name];
  else if (name === "today" || name === "week") view.from = Math.min(view.to - SHORTEST, dayStart(view.to, name === "week"));
}

const local = new Intl.DateTimeFormat("en-GB", { timeZone: root.dataset.zone, weekday: "short", day: "numeric", month: "numeric", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function localParts(seconds) {
  const { weekday, day, month, year, hour, minute, second } = Object.fromEntries(local.formatToParts(seconds * 1000).map(({ type, value }) => [type, value]));
  return { weekday, date: `${year}-${month}-${day}`, seconds: Number(hour) * 3600 + Number(minute) * 60 + Number(second) };
}

// When the local day of a moment began, or the Monday of its week. Clocks may change on the way.
export function dayStart(moment, ofWeek = false) {
  const { date, seconds, weekday } = localParts(moment);
  let at = Math.floor(moment) - seconds;
  for (let tries = 0; tries < 4; tries++) {
    const there = localParts(at);
    if (there.date === date) {
      if (localParts(at - 1).date !== date) break;
      at -= there.seconds;
    } else at += DAY - there.seconds;
  }
  return ofWeek && weekday !== "Mon" ? dayStart(at - DAY / 2, true) : at;
}

export function text(seconds) {
  const iso = new Date(Math.floor(seconds) * 1000).toISOString();
  return iso.endsWith(":00.000Z") ? `${iso.slice(0, 16)}Z` : `${iso.slice(0, 19)}Z`;
}

// The address of the view; `fixed`: of this moment even if it follows the present; `follows`: of the present.
export function address(fixed = false, follows = view.follows) {
  const query = new URLSearchParams(view.query);
  for (const name of ["from", "to", "rows", "points", "of", "quantity"]) query.delete(name);
  query.set("s", seriesNames().join(","));
  if (fixed || !follows) {
    query.set("from", text(view.from));
    query.set("to", text(view.to));
  }
  return `${root.dataset.page}?${query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}

// The series as they stand in addresses.
export function seriesNames() {
  return Array.from(root.querySelectorAll(".legend [data-name]"), (item) => item.dataset.name);
}

// The range moved into the times in which there can be readings.
export function within(from, to) {
  const length = Math.max(SHORTEST, to - from);
  if (to - from < length) from = (from + to - length) / 2;
  to = Math.min(from + length, now());
  return { from: Math.max(EARLIEST, to - length), to };
}

export const moves = {
  earlier: (from, to) => [from - (to - from), from],
  later: (from, to) => [to, to + (to - from)],
  wider: (from, to) => [from - (to - from) / 2, to + (to - from) / 2],
  closer: (from, to) => [from + (to - from) / 4, to - (to - from) / 4],
};

const zone = root.dataset.zone;
const hourCycle = document.documentElement.dataset.clock === "12h" ? "h12" : "h23";
const formats = {
  clock: { hour: "2-digit", minute: "2-digit" },
  seconds: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short" },
  date: { day: "numeric", month: "short", year: "numeric" },
  year: { year: "numeric" },
};
for (const [name, options] of Object.entries(formats)) {
  formats[name] = new Intl.DateTimeFormat(locale, { timeZone: zone, hourCycle, ...options });
}

export function formatted(seconds, format) {
  return formats[format].format(seconds * 1000);
}

export function clockText(seconds, beside = now()) {
  const time = formatted(seconds, seconds % 60 ? "seconds" : "clock");
  if (formatted(seconds, "date") === formatted(beside, "date")) return time;
  const date = formatted(seconds, formatted(seconds, "year") === formatted(beside, "year") ? "day" : "date");
  return filled(words.dateAndTime, { date, time });
}

export function dated(seconds) {
  return filled(words.dateAndTime, { date: formatted(seconds, "date"), time: formatted(seconds, "clock") });
}

export function localDate(seconds) {
  return uPlot.tzDate(new Date(seconds * 1000), zone);
}
