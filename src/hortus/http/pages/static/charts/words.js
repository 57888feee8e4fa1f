// The texts of the page's language, which the server puts into the page (hortus.http.pages.charts.words).

export const root = document.getElementById("charts");
const language = document.documentElement.lang;
// Dates are written as in Britain, as the server does.
export const locale = /^en\b/.test(language) ? "en-GB" : language;
export const words = JSON.parse(root.dataset.words);
const plurals = new Intl.PluralRules(language);

export function filled(pattern, values) {
  return pattern.replace(/%\((\w+)\)s/g, (whole, name) => values[name] ?? whole);
}

// `forms` are the patterns by the language's plural forms.
export function counted(forms, n, values = {}) {
  return filled(forms[plurals.select(n)] ?? forms.other, { n: n.toLocaleString(language), ...values });
}

// As hortus.http.pages.times.precise_duration.
export function duration(seconds) {
  seconds = Math.round(seconds);
  const units = Object.entries(words.durations);
  const [name, unit] = units.find(([, unit]) => seconds >= unit.seconds) ?? units.at(-1);
  const values = { [name]: Math.floor(seconds / unit.seconds) };
  const next = units.findIndex(([each]) => each === name) + 1;
  if (next < units.length) {
    const [finer, { seconds: size }] = units[next];
    values[finer] = Math.floor((seconds % unit.seconds) / size);
    if (values[finer]) return filled(unit.both, values);
  }
  return filled(unit.alone, values);
}
