// Counts down until something can be tried again.
"use strict";

(() => {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const patterns = JSON.parse(place.dataset.patterns);
    const rules = new Intl.PluralRules(document.documentElement.lang);
    const end = performance.now() + 1000 * Number(place.dataset.countdown);
    const timer = setInterval(() => {
      const left = Math.ceil((end - performance.now()) / 1000);
      if (left > 0) {
        const pattern = patterns[rules.select(left)] ?? patterns.other;
        place.textContent = pattern.replace("%(n)s", left);
        return;
      }
      clearInterval(timer);
      place.textContent = place.dataset.now;
    }, 250);
  }
})();
