// The cursor: one moment on all panels, with what each series was then. Never the nearest value across a gap.
import { found, held } from "./data.js";
import { causeOf } from "./marks.js";
import { shown } from "./scale.js";
import { clockText, now, view } from "./view.js";
import { counted, filled, words } from "./words.js";

const NEAR_PX = 6;

export class Cursor {
  constructor(panels) {
    this.panels = panels;
    this.time = null;
    this.isPinned = false;
    this.speaker = document.getElementById("chart-announce");
  }

  // Moves to a time; null hides the cursor.
  move(time, y = 0) {
    this.time = time;
    for (const panel of this.panels) {
      if (!panel.plot) continue;
      const left = time === null ? -10 : panel.plot.valToPos(time, "x");
      panel.plot.setCursor({ left, top: time === null ? -10 : y }, false);
      panel.readout.replaceChildren(...(time === null ? [] : this.parts(panel)));
    }
  }

  renew() {
    if (this.time !== null && (this.time < view.from || this.time > view.to)) this.move(null);
    else this.move(this.time);
  }

  say(panel) {
    this.speaker.textContent = panel.readout.textContent;
  }

  parts(panel) {
    const near = (NEAR_PX * (view.to - view.from)) / panel.plot.over.clientWidth;
    const second = view.to - view.from > 600 ? 60 : 1;
    const parts = [`${clockText(Math.round(this.time / second) * second)} `];
    for (const series of panel.series) {
      if (panel.ids.length > 1) parts.push(`· ${series.name} `);
      parts.push(...sentence(panel, series, this.time, near));
      const before = held.before.get(series.id);
      if (before) parts.push(...comparison(series, before, this.time, near));
    }
    return parts;
  }

  // Moves by so many points of the panel's series.
  step(panel, count) {
    // The middle of the present bucket may be yet to come.
    const seen = panel.series.flatMap((each) => each.at.filter((at, i) => at >= view.from && each.begin[i] <= view.to));
    const times = Array.from(new Set(seen.map((at) => Math.min(at, view.to)))).sort((a, b) => a - b);
    if (!times.length) return this.move((view.from + view.to) / 2);
    let index = this.time === null ? (count > 0 ? -1 : times.length) : times.findIndex((at) => at >= this.time - 1e-6);
    if (index < 0) index = this.time === null ? -1 : times.length;
    if (this.time !== null && count > 0 && times[index] > this.time + 1e-6) index--;
    this.move(times[Math.max(0, Math.min(times.length - 1, index + count))]);
  }
}

function sentence(panel, series, time, near) {
  const at = found(series, time, near);
  if (at.index === undefined) return [gapSentence(at), because(at, series)];
  const i = at.index;
  const parts = [bold(`${panel.withUnit(shown(series.mean[i], series))} `)];
  if (series.count) {
    const low = shown(series.min[i], series), high = shown(series.max[i], series);
    parts.push(`${counted(words.spread, series.count[i], { low, high })} `);
  }
  return parts;
}

function gapSentence({ from, to }) {
  if (from !== null && to !== null) {
    return `${filled(words.noReadingsBetween, { start: clockText(from, time0(from)), end: clockText(to, from) })} `;
  }
  if (from !== null) return `${filled(words.noReadingsSince, { start: clockText(from) })} `;
  return `${to === null ? words.noReadings : filled(words.noReadingsBefore, { end: clockText(to) })} `;
}

function because({ from, to }, series) {
  const cause = causeOf(from ?? view.from, to ?? now(), [series.name]);
  return cause ? `${filled(words.because, { cause })} ` : "";
}

const time0 = (from) => (Math.abs(view.to - from) < 86400 ? from : undefined);

function comparison(series, before, time, near) {
  const now = found(series, time, near), then = found(before, time, near);
  if (then.index === undefined) return [`${words.beforeNone} `];
  const value = before.mean[then.index];
  if (now.index === undefined) return [`${filled(words.beforeValue, { value: shown(value, series) })} `];
  const difference = series.mean[now.index] - value;
  return [`${filled(words.beforeDifference, { difference: (difference > 0 ? "+" : "") + shown(difference, series) })} `];
}

function bold(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}
