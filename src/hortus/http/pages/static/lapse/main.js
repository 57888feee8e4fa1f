// The player of a time-lapse. Frames come from the list of the page, which works without it.
import { Loader } from "./loader.js";

const lapse = document.getElementById("lapse");
if (lapse) start(lapse);

function start(lapse) {
  const AHEAD = 10;
  const byId = (id) => document.getElementById(id);
  const frames = Array.from(byId("frames").querySelectorAll("a"), (link) => ({
    source: link.dataset.src ?? "",
    words: link.querySelector("time").textContent,
    at: link.querySelector("time").dateTime,
    link,
  }));
  const stage = document.querySelector('[data-part="first"]');
  const position = byId("position");
  const play = byId("play");
  const loader = new Loader();
  let current = Number(lapse.dataset.current);
  let timer = null;

  function show(index) {
    current = Math.max(0, Math.min(frames.length - 1, index));
    const frame = frames[current];
    const image = stage.querySelector("img") ?? stage.insertBefore(new Image(), stage.firstChild);
    const state = frame.source ? loader.state(frame.source) : "missing";
    const isThere = state !== "missing" && state !== "failed";
    image.hidden = !isThere;
    if (isThere) {
      image.src = frame.source;
      image.alt = frame.words;
    }
    const note = stage.querySelector(".no-picture");
    note.hidden = isThere;
    note.textContent = state === "failed" ? lapse.dataset.failed : lapse.dataset.missing;
    stage.classList.toggle("missing", !isThere);
    const time = stage.querySelector("time");
    time.textContent = frame.words;
    time.dateTime = frame.at;
    position.value = current;
    position.setAttribute("aria-valuetext", frame.words);
    const numbers = { number: current + 1, frames: frames.length };
    byId("count").textContent = lapse.dataset.count.replace(/%\((\w+)\)s/g, (whole, name) => numbers[name] ?? whole);
    for (let ahead = 1; ahead <= AHEAD && current + ahead < frames.length; ahead++) loader.want(frames[current + ahead].source);
    remember();
  }

  let remembering = null;
  function remember() {
    clearTimeout(remembering);
    remembering = setTimeout(() => {
      const address = new URL(location.href);
      address.searchParams.set("i", current);
      history.replaceState(history.state, "", address);
    }, 300);
  }

  // The next picture is shown when it is there: a slow network makes the film slower, and skips nothing.
  async function tick() {
    const next = frames[current + 1];
    if (!next) return pause();
    const due = performance.now() + 1000 / speed();
    if (next.source) await loader.ready(next.source);
    if (timer === null) return;
    timer = setTimeout(() => {
      show(current + 1);
      tick();
    }, Math.max(0, due - performance.now()));
  }

  function speed() {
    return Math.max(1, Math.min(12, Number(byId("speed").value) || 4));
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    play.textContent = lapse.dataset.play;
  }

  function toggle() {
    if (timer !== null) return pause();
    if (current === frames.length - 1) show(0);
    timer = 0;
    play.textContent = lapse.dataset.pause;
    tick();
  }

  function step(index) {
    pause();
    show(index);
  }

  const keys = {
    ArrowLeft: () => step(current - 1),
    ArrowRight: () => step(current + 1),
    Home: () => step(0),
    End: () => step(frames.length - 1),
    " ": toggle,
  };
  byId("stages").addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  play.addEventListener("click", toggle);
  byId("back").addEventListener("click", () => step(current - 1));
  byId("on").addEventListener("click", () => step(current + 1));
  position.addEventListener("input", () => step(Number(position.value)));
  loader.onFailure = (source) => {
    if (frames[current].source === source) show(current);
  };

  const overlay = byId("overlay");
  const second = document.querySelector('[data-part="second"]');
  overlay?.addEventListener("click", () => {
    const isOver = overlay.getAttribute("aria-pressed") !== "true";
    overlay.setAttribute("aria-pressed", isOver);
    byId("stages").classList.toggle("over", isOver);
    byId("divide").hidden = !isOver;
    divide(isOver ? byId("divider").value : null);
  });
  byId("divider")?.addEventListener("input", (event) => divide(event.target.value));

  function divide(percent) {
    second.style.clipPath = percent === null ? "" : `inset(0 0 0 ${percent}%)`;
  }

  byId("player").hidden = false;
  document.querySelector(".frame-steps").classList.add("scripted");
  lapse.dataset.state = "ready";
  show(current);
}
