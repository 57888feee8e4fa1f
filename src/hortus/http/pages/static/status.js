// Keeps the status page up to date: polls every two seconds, advances ages, shows when the connection is lost.
"use strict";

(() => {
  const PAUSE_MS = 2000;
  const status = document.getElementById("status");
  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  const words = JSON.parse(status.dataset.words);
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

  function filled(pattern, values) {
    return pattern.replace(/%\((\w+)\)s/g, (whole, name) => values[name] ?? whole);
  }

  function sayWhatHappened(request) {
    if (request.successful) {
      lostSince = null;
      say("live", words.live);
      return;
    }
    lostSince ??= new Date();
    const time = lostSince.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short", hour12: false });
    say("lost", filled(request.xhr.status === 503 ? words.noDatabase : words.noConnection, { time }));
  }

  // The patterns are those of hortus.http.pages.times. From two days on, an age is a date, which stays.
  function age(form, seconds) {
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor((seconds % 3600) / 60);
    const unit = seconds < 60 ? "seconds" : seconds < 3600 ? "minutes" : minutes ? "both" : "hours";
    return filled(words.patterns[form][unit], { seconds, minutes, hours });
  }

  // Ages start from the server's figure and advance by a monotonic clock: this device's clock may be wrong.
  function letAgesGoOn() {
    const passed = (performance.now() - renewedAt) / 1000;
    for (const time of status.querySelectorAll("time[data-age-seconds]")) {
      const text = age(time.dataset.form, Math.floor(Number(time.dataset.ageSeconds) + passed));
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
  // A page that comes back from the browser's memory, as after a device slept, has old figures.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    underWay = false;
    ask();
  });
  setInterval(letAgesGoOn, 1000);
  askLater();
})();
