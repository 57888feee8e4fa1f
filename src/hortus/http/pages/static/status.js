// Keeps a page up to date: polls, advances ages, shows when the connection is lost.
"use strict";

(() => {
  const status = document.getElementById("status");
  const PAUSE_MS = Number(status.dataset.pause ?? 2000);
  const LOST_PAUSE_MS = 2000;
  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  const words = JSON.parse(status.dataset.words);
  let timer = null;
  let underWay = false;
  let lostSince = null;
  let tag = status.dataset.etag ?? null;
  let renewedAt = performance.now();

  function ask() {
    timer = null;
    if (underWay || document.visibilityState === "hidden") return;
    underWay = true;
    htmx.trigger(status, "renew");
  }

  function askLater() {
    const pause = lostSince === null ? PAUSE_MS : LOST_PAUSE_MS;
    if (timer === null && document.visibilityState !== "hidden") timer = setTimeout(ask, pause);
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
    const time = lostSince.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short", hour12: document.documentElement.dataset.clock === "12h" });
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

  // The header and the title of the page are not renewed, but what they count may have changed.
  function tellOfAlerts() {
    const news = status.querySelector("[data-news]");
    const count = news === null ? NaN : Number(news.dataset.news);
    for (const place of document.querySelectorAll("[data-open-alerts]")) {
      if (Number.isNaN(count) || Number(place.dataset.openAlerts) === count) continue;
      place.dataset.openAlerts = count;
      place.textContent = count > 0 ? ` (${count})` : "";
      document.title = (count > 0 ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
      const icon = document.querySelector("link[rel=icon]");
      icon.href = icon.href.replace(/icon(-alert)?\.svg/, count > 0 ? "icon-alert.svg" : "icon.svg");
    }
  }

  document.body.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt === status && tag !== null) event.detail.headers["If-None-Match"] = tag;
  });

  let opened = [];
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    // The same content as before: only ages went on, which they do by themselves.
    if (event.detail.xhr.status === 304) event.detail.shouldSwap = false;
    if (event.detail.target !== status) return;
    opened = Array.from(status.querySelectorAll("details[open][id]"), (details) => details.id);
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    renewedAt = performance.now();
    tellOfAlerts();
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== status) return;
    if (event.detail.xhr.status === 200) tag = event.detail.xhr.getResponseHeader("ETag");
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
  // What the system knows of its network is known sooner than by asking.
  for (const name of ["online", "offline"]) {
    addEventListener(name, () => {
      clearTimeout(timer);
      ask();
    });
  }
  // A page that comes back from the browser's memory, as after a device slept, has old figures.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    underWay = false;
    ask();
  });
  setInterval(letAgesGoOn, 1000);
  askLater();
})();
