// A panel: uPlot draws axes and lines, we draw what is below and above them.
import { columns, held, stretches } from "./data.js";
import { causeOf } from "./marks.js";
import { isLogarithmic, numbered, scaleOf } from "./scale.js";
import { formatted, localDate, now, rangeName, view } from "./view.js";
import { duration, filled, words } from "./words.js";

export const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 2], [12, 4]];
const Y_AXIS = 52, X_AXIS = 24;
const LABELLED_GAP = 40, HATCHED_GAP = 8;
const DOTS_FROM = 12;
const STEPS = Array.from({ length: 60 }, (_, i) => Number(`${[1, 2, 5][i % 3]}e${Math.floor(i / 3) - 8}`));

export function palette(style) {
  const names = ["ink", "soft", "line", "card", "edge", "band", "night", "s1", "s2", "s3", "s4", "s5", "s6"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

export class Panel {
  constructor(figure) {
    this.figure = figure;
    this.box = figure.querySelector("[data-plot]");
    this.readout = figure.querySelector(".readout");
    this.unit = figure.dataset.unit;
    this.unitGap = figure.dataset.unitGap;
    this.legend = Array.from(figure.querySelectorAll("[data-series]"));
    this.ids = this.legend.map((item) => Number(item.dataset.series));
    this.kept = null;
    this.focus = null;
    this.plot = null;
  }

  withUnit(text) {
    return text + this.unitGap + this.unit;
  }

  get series() {
    return this.ids.map((id) => held.series.get(id)).filter(Boolean);
  }

  // The target bands in view of the series under the cursor, else of the first that has any: those of one plant.
  get bands() {
    const order = this.focus === null ? this.ids : [this.focus, ...this.ids];
    const inView = held.bands.filter(({ from, to }) => from < view.to && (to === null || to > view.from));
    for (const id of order) {
      const first = inView.find((each) => each.series === id);
      if (first) return inView.filter((each) => each.series === id && each.plant === first.plant);
    }
    return [];
  }

  get band() {
    return this.bands.at(-1) ?? null;
  }

  // Shows what is at hand: draws for the first time, or renews.
  renew() {
    const data = this.data();
    if (this.plot && this.isLog === this.shouldBeLog()) {
      this.plot.setData(data, false);
      this.show();
      return;
    }
    this.plot?.destroy();
    this.plot = new uPlot(this.options(this.box.clientWidth, this.box.clientHeight, 1, palette(getComputedStyle(this.box))), data, this.box);
    this.box.classList.add("drawn");
    this.show();
  }

  // Moves to the range of the view with the data at hand.
  show() {
    this.plot.setScale("x", { min: view.from, max: view.to });
    const empty = this.box.querySelector(".no-readings");
    if (empty) empty.hidden = this.hasPoints() || !empty.childElementCount;
    this.figure.dataset.state = this.hasPoints() ? "drawn" : "none";
  }

  resize() {
    this.plot?.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
  }

  restyle() {
    this.plot?.destroy();
    this.plot = null;
    this.renew();
  }

  hasPoints() {
    return this.series.some((each) => each.at.some((at, i) => each.end[i] >= view.from && each.begin[i] <= view.to));
  }

  data() {
    const tables = [];
    for (const map of [held.series, held.before]) {
      for (const id of this.ids) if (map.has(id)) tables.push(columns(map.get(id)));
    }
    return tables.length > 1 ? uPlot.join(tables) : tables[0] ?? [[], []];
  }

  seen() {
    let low = Infinity, high = -Infinity;
    for (const map of [held.series, held.before]) {
      for (const id of this.ids) {
        const each = map.get(id);
        for (let i = 0; i < (each?.at.length ?? 0); i++) {
          if (each.end[i] < view.from || each.begin[i] > view.to) continue;
          low = Math.min(low, (each.min ?? each.mean)[i]);
          high = Math.max(high, (each.max ?? each.mean)[i]);
        }
      }
    }
    if (low > high) {
      const bounds = [this.band?.low, this.band?.high].filter((each) => typeof each === "number");
      return bounds.length ? [Math.min(...bounds), Math.max(...bounds)] : [0, 1];
    }
    return [low, high];
  }

  shouldBeLog() {
    return isLogarithmic(this.unit, ...this.seen());
  }

  yRange() {
    const band = this.band;
    let [low, high] = scaleOf(...this.seen(), this.unit, band && [band.low, band.high], view.query.get("y") === "zero");
    // While following, a scale that shrinks and grows would hide what happens.
    const range = rangeName();
    if (view.follows && this.kept?.range === range) {
      low = Math.min(low, this.kept.low);
      high = Math.max(high, this.kept.high);
    }
    this.kept = view.follows ? { range, low, high } : null;
    return [low, high];
  }

  // `k` enlarges everything, for pictures; colours are those of a palette.
  options(width, height, k, colours) {
    this.isLog = this.shouldBeLog();
    const font = `${12 * k}px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif`;
    const axis = { stroke: colours.soft, font, ticks: { show: false }, grid: { stroke: colours.line, width: k }, border: { show: true, stroke: colours.edge, width: k } };
    const line = (before) => (id) => {
      const number = this.ids.indexOf(id);
      return {
        stroke: colours[`s${number + 1}`],
        width: 1.5 * k,
        alpha: before ? 0.75 : 1,
        dash: (before ? [3, 4] : DASHES[number]).map((each) => each * k),
        spanGaps: false,
        points: { show: (plot, index) => !before && areSparse(plot, index, held.series.get(id)), size: 5 * k, fill: colours[`s${number + 1}`] },
      };
    };
    return {
      width, height,
      padding: [0, 0, 0, 0],
      legend: { show: false },
      tzDate: localDate,
      // We handle all gestures ourselves, and draw no points at the cursor: they would lie in gaps.
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false }, bind: { mousedown: none, mouseup: none, click: none, dblclick: none, mousemove: none, mouseleave: none, mouseenter: none } },
      select: { show: true },
      scales: {
        x: { time: true, auto: false, min: view.from, max: view.to },
        y: { auto: true, distr: this.isLog ? 4 : 1, asinh: 1, range: () => this.yRange() },
      },
      axes: [
        { ...axis, size: X_AXIS * k, gap: 5 * k, space: 64 * k, values: timeLabels },
        { ...axis, size: Y_AXIS * k, gap: 8 * k, space: 36 * k, incrs: STEPS, values: valueLabels },
      ],
      series: [{}, ...this.ids.filter((id) => held.series.has(id)).map(line(false)), ...this.ids.filter((id) => held.before.has(id)).map(line(true))],
      hooks: {
        drawClear: [(plot) => this.drawBelow(plot, colours, k)],
        drawAxes: [(plot) => this.drawEnvelopes(plot, colours)],
        draw: [(plot) => this.drawAbove(plot, colours, k)],
      },
    };
  }

  drawBelow(plot, colours, k) {
    inside(plot, (ctx, { left, top, width, height }) => {
      const x = (time) => Math.max(left, Math.min(left + width, plot.valToPos(time, "x", true)));
      ctx.fillStyle = colours.night;
      for (const [from, to] of held.nights) ctx.fillRect(x(from), top, x(to) - x(from), height);
      for (const band of this.bands) drawBand(plot, ctx, { left, top, width, height }, band, x, colours, k);
    });
  }

  drawEnvelopes(plot, colours) {
    inside(plot, (ctx) => {
      ctx.globalAlpha = 0.18;
      for (const each of this.series) {
        if (!each.min) continue;
        ctx.fillStyle = colours[`s${this.ids.indexOf(each.id) + 1}`];
        for (const [begin, end] of stretches(each)) {
          if (end - begin < 2 || each.at[end - 1] < view.from - each.width || each.at[begin] > view.to + each.width) continue;
          ctx.beginPath();
          for (let i = begin; i < end; i++) ctx.lineTo(plot.valToPos(each.at[i], "x", true), plot.valToPos(each.max[i], "y", true));
          for (let i = end - 1; i >= begin; i--) ctx.lineTo(plot.valToPos(each.at[i], "x", true), plot.valToPos(each.min[i], "y", true));
          ctx.fill();
        }
      }
    });
  }

  drawAbove(plot, colours, k) {
    const ratio = k * uPlot.pxRatio;
    inside(plot, (ctx, box) => {
      for (const gap of this.sharedGaps()) drawGap(plot, ctx, box, gap, colours, ratio, this.series.map((each) => each.name));
      for (const each of this.series) {
        ctx.fillStyle = ctx.strokeStyle = colours[`s${this.ids.indexOf(each.id) + 1}`];
        ctx.lineWidth = 1.5 * ratio;
        for (const [begin, end] of stretches(each)) {
          if (end - begin > 1) continue;
          const x = plot.valToPos(each.at[begin], "x", true);
          if (each.min) {
            ctx.beginPath();
            ctx.moveTo(x, plot.valToPos(each.min[begin], "y", true));
            ctx.lineTo(x, plot.valToPos(each.max[begin], "y", true));
            ctx.stroke();
          }
          ctx.beginPath();
          ctx.arc(x, plot.valToPos(each.mean[begin], "y", true), 2.5 * ratio, 0, 2 * Math.PI);
          ctx.fill();
        }
      }
    });
  }

  // The gaps within the view that all series of the panel have.
  sharedGaps() {
    const end = Math.min(view.to, now());
    let shared = [[view.from, end]];
    for (const each of this.series) shared = intersected(shared, gapsOf(each, end));
    return this.series.length && this.hasPoints() ? shared : [];
  }
}

const none = () => null;

function areSparse(plot, index, series) {
  if (!series || series.width) return false;
  const seen = series.at.filter((at) => at >= view.from && at <= view.to).length;
  return seen > 0 && plot.bbox.width / uPlot.pxRatio / seen > DOTS_FROM;
}

export function gapsOf(series, end) {
  const found = [];
  let before = null;
  for (const [first, last] of stretches(series)) {
    if (before !== null || series.begin[first] - view.from > series.gapSeconds) found.push([before ?? view.from, series.begin[first]]);
    before = series.end[last - 1];
  }
  if (before === null || end - before > series.gapSeconds) found.push([before ?? view.from, end]);
  return found.map(([from, to]) => [Math.max(from, view.from), Math.min(to, view.to)]).filter(([from, to]) => to > from);
}

function intersected(some, others) {
  const found = [];
  for (const [a, b] of some) for (const [c, d] of others) if (Math.max(a, c) < Math.min(b, d)) found.push([Math.max(a, c), Math.min(b, d)]);
  return found;
}

function inside(plot, draw) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx, bbox);
  ctx.restore();
}

function drawBand(plot, ctx, { left, top, width, height }, band, x, colours, k) {
  const start = x(band.from), end = band.to === null ? left + width : x(band.to);
  const y = (value, edge) => (value === null ? edge : plot.valToPos(value, "y", true));
  const high = y(band.high, top), low = y(band.low, top + height);
  ctx.fillStyle = colours.band;
  ctx.fillRect(start, high, end - start, low - high);
  ctx.strokeStyle = colours.edge;
  ctx.lineWidth = k * uPlot.pxRatio;
  ctx.setLineDash([4 * k, 4 * k].map((each) => each * uPlot.pxRatio));
  for (const [value, at] of [[band.high, high], [band.low, low]]) {
    if (value === null) continue;
    ctx.beginPath();
    ctx.moveTo(start, at);
    ctx.lineTo(end, at);
    ctx.stroke();
  }
}

function drawGap(plot, ctx, { top, height }, [from, to], colours, ratio, names) {
  const left = plot.valToPos(from, "x", true), right = plot.valToPos(to, "x", true);
  if (right - left < HATCHED_GAP * ratio) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, right - left, height);
  ctx.clip();
  ctx.globalAlpha = 0.45;
  ctx.strokeStyle = colours.edge;
  ctx.lineWidth = ratio;
  ctx.setLineDash([]);
  ctx.beginPath();
  for (let x = left - height; x < right; x += 11 * ratio) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
  if (right - left < LABELLED_GAP * ratio) return;
  const cause = causeOf(from, to, names);
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  const labels = [cause && filled(words.gapBecause, { length: duration(to - from), cause }), duration(to - from)];
  const label = labels.find((each) => each && ctx.measureText(each).width <= right - left);
  if (!label) return;
  ctx.lineWidth = 5 * ratio;
  ctx.strokeStyle = colours.card;
  ctx.lineJoin = "round";
  ctx.strokeText(label, (left + right) / 2, top + height / 2);
  ctx.fillStyle = colours.ink;
  ctx.fillText(label, (left + right) / 2, top + height / 2);
}

function timeLabels(plot, splits, axis, space, step) {
  const end = plot.posToVal(plot.bbox.width / uPlot.pxRatio - 24, "x");
  return splits.map((at) => {
    if (at > end) return "";
    if (step >= 86400 * 200) return formatted(at, "year");
    if (step >= 86400 || formatted(at, "seconds") === "00:00:00") return formatted(at, "day");
    return formatted(at, step < 60 ? "seconds" : "clock");
  });
}

function valueLabels(plot, splits, axis, space, step) {
  const decimals = plot.scales.y.distr === 4 ? 0 : Math.max(0, Math.min(6, -Math.floor(Math.log10(step || 1) + 1e-9)));
  // No label is cut at the top.
  const top = plot.posToVal(5, "y");
  return splits.map((value) => (value === null || value > top ? "" : numbered(value, decimals)));
}
