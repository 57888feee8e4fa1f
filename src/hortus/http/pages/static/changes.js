// Says on an open page of a kit that somebody else changed the kit. Nothing is renewed: people may be typing.
"use strict";

(() => {
  const PAUSE_MS = 15000;
  const place = document.getElementById("changed");

  async function ask() {
    if (document.visibilityState === "hidden") return;
    const response = await fetch(place.dataset.asks, { credentials: "same-origin" }).catch(() => null);
    if (response?.status !== 200 || response.redirected) return;
    const sentence = await response.text();
    // Unchanged words are not written again, so that screen readers do not repeat them.
    if (place.dataset.said === sentence) return;
    place.dataset.said = sentence;
    place.innerHTML = sentence;
  }

  place.addEventListener("click", (event) => {
    if (!event.target.closest("[data-reloads]")) return;
    event.preventDefault();
    location.reload();
  });
  document.addEventListener("visibilitychange", ask);
  setInterval(ask, PAUSE_MS);
})();
