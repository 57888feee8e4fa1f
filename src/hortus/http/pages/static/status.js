// Keeps the status page up to date: polls every two seconds, advances ages, shows when the connection is lost.
"use strict";

(() => {
  const PAUSE_MS = 2000;
  const status = document.getElementById("status");
  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  let timer = null;
  let underWay = false;
  let lostSince = null;
  let renewedAt = performance.now();

  function ask() {
    timer = null;
    if (underWay || document.visibilityState === "hidden") return;
    underWay = true;
    htmx.trigger(status, "renew");
  }

  function askLater() {
    if (timer === null && document.visibilityState !== "hidden") timer = setTimeout(ask, PAUSE_MS);
  }

  // Unchanged text is not written again, so that screen readers do not repeat it.
  function say(state, text) {
    live.dataset.state = state;
    status.classList.toggle("stale", state !== "live");
    if (liveText.textContent !== text) liveText.textContent = text;
  }

  function sayWhatHappened(request) {
    if (request.successful) {
      lostSince = null;
      say("live", "Live");
      return;
    }
    lostSince ??= new Date();
    const what = request.xhr.status === 503 ? "The database has not answered" : "No connection";
    const since = lostSince.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    say("lost", `${what} since ${since}. Retrying.`);
  }

  // The same wording as hortus.http.pages.wording.ago.
  function ago(seconds) {
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} days ago`;
  }

  // Ages start from the server's figure and advance by a monotonic clock: this device's clock may be wrong.
  function letAgesGoOn() {
    const passed = (performance.now() - renewedAt) / 1000;
    for (const time of status.querySelectorAll("time[data-age-seconds]")) {
      const text = ago(Math.floor(Number(time.dataset.ageSeconds) + passed));
      if (time.textContent !== text) time.textContent = text;
    }
  }

  let opened = [];
  document.body.addEventListener("htmx:beforeSwap", () => {
    opened = Array.from(status.querySelectorAll("details[open][id]"), (details) => details.id);
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    renewedAt = performance.now();
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    underWay = false;
    sayWhatHappened(event.detail);
    askLater();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      clearTimeout(timer);
      timer = null;
    } else {
      ask();
    }
  });
  setInterval(letAgesGoOn, 1000);
  askLater();
})();
