// The points of all series of the page: asked for with a margin, so that panning needs no request.
import { now, root, seriesNames, setNow, text, view } from "./view.js";
import { words } from "./words.js";

const MOST_POINTS = 1600;
// As many times the shown width are asked for at once.
const WIDTHS = 4;
// Data for a much longer range are too coarse for this one.
const COARSE = 1.9;

// What is at hand: for which range, and the series by id.
// Readings up to `asOf` were counted.
export const held = { asOf: 0, from: 0, to: 0, length: 0, series: new Map(), before: new Map(), bands: [], nights: [] };
let asking = null;

export function isEnough() {
  const length = view.to - view.from;
  return held.length > 0 && view.from >= held.from && Math.min(view.to, now()) <= held.to + length * 0.02 &&
    held.length / length < COARSE && held.length / length > 1 / COARSE;
}

// Asks for the points of the view. Resolves to whether they came; throws if they cannot be had now.
export async function ask(afresh = false) {
  if (!afresh && isEnough()) return false;
  asking?.abort();
  const controller = (asking = new AbortController());
  const length = view.to - view.from;
  const to = Math.min(view.to + length * 1.5, now());
  // On a coarse grid, so that the same points are asked for again while the view follows the present.
  const grid = Math.max(1, Math.round(length / 200));
  const range = { from: Math.floor((to - WIDTHS * length) / grid) * grid, to: Math.ceil(to / grid) * grid };
  const answer = await fetchPoints(range, controller.signal);
  if (controller !== asking) return false;
  Object.assign(held, range, { length, asOf: now(), bands: answer.bands, nights: answer.nights });
  held.series = new Map(answer.series.map((each) => [each.id, decoded(each)]));
  // The server has moved them to the times of this range, by the clock.
  held.before = new Map((answer.before ?? []).map((each) => [each.id, decoded(each)]));
  return true;
}

async function fetchPoints(range, signal) {
  const query = new URLSearchParams({ series: seriesNames(), from: text(range.from), to: text(range.to), points: MOST_POINTS });
  for (const name of ["vs", "tz"]) if (view.query.get(name)) query.set(name, view.query.get(name));
  const response = await fetch(`${root.dataset.points}?${query}`, { signal, credentials: "same-origin" });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail ?? words.unexpected), {
      status: response.status,
      retrySeconds: Number(response.headers.get("Retry-After")) || 5,
    });
  }
  // A kept answer has the time at which it was made, but the header of the one that confirmed it.
  const date = Date.parse(response.headers.get("Date"));
  const answer = await response.json();
  setNow(Math.max(now(), answer.now, date / 1000 || 0));
  return answer;
}

// `at` is where a point is drawn: a bucket in the middle between its `begin` and `end`. Local days differ in length.
function decoded(series) {
  const width = series.bucketSeconds ?? 0;
  const begin = series.index.map((index) => series.start + index * series.stepSeconds);
  const end = begin.map((start, i) => start + (series.lengths?.[i] ?? width));
  return { ...series, width, begin, end, at: begin.map((start, i) => (start + end[i]) / 2) };
}

// The stretches without a gap, as pairs of the first index and the one after the last.
export function stretches(series) {
  const found = [];
  let begin = 0;
  for (let i = 1; i <= series.at.length; i++) {
    if (i === series.at.length || series.at[i] - series.at[i - 1] > series.gapSeconds) {
      if (i > begin) found.push([begin, i]);
      begin = i;
    }
  }
  return found;
}

// Times and means with a null in each gap, as uPlot wants them.
export function columns(series) {
  const times = [], means = [];
  for (const [begin, end] of stretches(series)) {
    if (begin > 0) {
      times.push((series.at[begin - 1] + series.at[begin]) / 2);
      means.push(null);
    }
    for (let i = begin; i < end; i++) {
      // Of readings of the same time the last one counts.
      if (times.at(-1) === series.at[i]) times.pop(), means.pop();
      times.push(series.at[i]);
      means.push(series.mean[i]);
    }
  }
  return [times, means];
}

// The index of the last point at or before a time, or -1.
export function indexAt(series, time) {
  let low = 0, high = series.at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (series.at[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// What there is at a time: a point's index, or the gap around it. `near`: seconds within which a point counts.
export function found(series, time, near) {
  const i = indexAt(series, time);
  const before = series.at[i], after = series.at[i + 1];
  const close = after === undefined || time - before <= after - time ? i : i + 1;
  const distance = Math.abs(series.at[close] - time);
  if (close >= 0 && (distance <= near || (series.begin[close] <= time && time <= series.end[close]))) return { index: close };
  if (before !== undefined && after !== undefined && after - before <= series.gapSeconds) return { index: close };
  const from = before === undefined ? null : series.end[i];
  const to = after === undefined ? null : series.begin[i + 1];
  if (to === null && from !== null && time - from <= series.gapSeconds) return { index: i };
  return { from, to };
}

// Adds a reading that just came. Returns false if the points have to be asked for again.
export function append(id, time, value) {
  const series = held.series.get(id);
  if (!series?.at.length) return false;
  const last = series.at.length - 1;
  const begin = series.width ? Math.floor(time / series.width) * series.width : time;
  const isInLast = series.width > 0 && time >= series.begin[last] && time < series.end[last];
  if (isInLast && time > held.asOf) extend(series, last, value);
  // Where the next local day begins, the server knows.
  else if (begin >= series.end[last] && begin > series.begin[last] && !series.lengths) add(series, begin, value);
  else return false;
  held.to = Math.max(held.to, time);
  return true;
}

function extend(series, i, value) {
  series.count[i] += 1;
  series.mean[i] += (value - series.mean[i]) / series.count[i];
  series.min[i] = Math.min(series.min[i], value);
  series.max[i] = Math.max(series.max[i], value);
}

function add(series, begin, value) {
  const { width } = series;
  const columns = [series.begin, series.at, series.end, series.mean, series.min, series.max, series.count];
  [begin, begin + width / 2, begin + width, value, value, value, 1].forEach((each, i) => columns[i]?.push(each));
  // What lies before the margin is dropped.
  if (series.at.length > 2 * MOST_POINTS) for (const column of columns) column?.splice(0, MOST_POINTS);
}
