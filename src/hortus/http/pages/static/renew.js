// Renews a part of a page while it is seen, and at once when it is seen again. Never under what has focus.
"use strict";
(() => {
  const part = document.querySelector("[data-renews]");
  if (!part) return;
  const renew = () => {
    if (!document.hidden && !part.contains(document.activeElement)) window.htmx.trigger(part, "renew");
  };
  setInterval(renew, Number(part.dataset.renews) * 1000);
  document.addEventListener("visibilitychange", renew);
  window.addEventListener("pageshow", (event) => event.persisted && renew());
})();
