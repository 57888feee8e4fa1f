// The vertical scale of a panel, by the same rules as hortus.http.pages.charts.scale.

const AIR = 0.06;
const LEAST_SPANS = { "°C": 2, "°F": 4, "%": 5, ppm: 100, hPa: 5 };

export function isLogarithmic(unit, low, high) {
  return unit === "lx" && low >= 0 && high / Math.max(low, 1) > 1000;
}

// `band` is a pair of bounds, each may be null.
export function scaleOf(low, high, unit, band, fromZero) {
  if (isLogarithmic(unit, low, high)) return [fromZero ? 0 : low, high * 1.1];
  const least = Math.max(LEAST_SPANS[unit] ?? 0, 1e-9 * Math.max(Math.abs(low), Math.abs(high), 1));
  if (high - low < least) {
    const middle = (low + high) / 2;
    low = middle - least / 2;
    high = middle + least / 2;
  }
  const bounds = (band ?? []).filter((each) => each !== null);
  const wide = [Math.min(low, ...bounds), Math.max(high, ...bounds)];
  if (wide[1] - wide[0] <= 2 * (high - low)) [low, high] = wide;
  const air = (high - low) * AIR;
  if (fromZero) return [Math.min(0, low < 0 ? low - air : 0), Math.max(0, high + air)];
  return [low - air, high + air];
}

export function shown(value, series) {
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 0.005)) return value.toPrecision(3).replace("-", "−");
  const decimals = series.quantity === "Light intensity" && size > 0 && size < 10 ? 1 : series.decimals;
  return numbered(value, decimals);
}

// A bound of a target range: as the person entered it. As hortus.http.pages.figures.bounds.
export function bound(value) {
  if (Math.abs(value) >= 1e7) return value.toPrecision(3).replace("-", "−");
  return value.toLocaleString(document.documentElement.lang || "en", { maximumFractionDigits: 6 }).replace("-", "−");
}

export function numbered(value, decimals) {
  const text = value.toLocaleString(document.documentElement.lang || "en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return text.replace(/^-(?=0([.,]0*)?$)/, "").replace("-", "−");
}
