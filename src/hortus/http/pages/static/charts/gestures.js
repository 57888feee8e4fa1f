// Mouse, touch and keys on a plot. Everything that a gesture does has a button, a link or a key as well.
import { view } from "./view.js";

const CLICK_PX = 5;
const DOUBLE_TAP_MS = 300;

// `act` is what the page does: zoom(from, to), pan(from, to), back(), reset(), table(); `state.selects`: the next
// drag of one finger zooms.
export function listen(panel, cursor, act, state) {
  const over = () => panel.plot.over;
  const timeAt = (x) => panel.plot.posToVal(Math.max(0, Math.min(over().clientWidth, x)), "x");
  const place = (event) => {
    const box = over().getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const pointers = new Map();
  let drag = null, pinch = null, lastTap = 0;

  const select = (from, to) => panel.plot.setSelect({ left: Math.min(from, to), width: Math.abs(to - from), top: 0, height: over().clientHeight }, false);
  const endDrag = () => {
    drag = null;
    select(0, 0);
  };

  panel.box.addEventListener("pointerdown", (event) => {
    if (!panel.plot || !over().contains(event.target) || event.button > 0) return;
    const at = place(event);
    pointers.set(event.pointerId, at);
    over().setPointerCapture?.(event.pointerId);
    if (pointers.size === 2) {
      endDrag();
      pinch = pinchOf(pointers, timeAt);
    } else if (pointers.size === 1) {
      const kind = event.pointerType === "mouse" ? (event.shiftKey ? "pan" : "zoom") : state.selects ? "zoom" : "read";
      drag = { kind, x: at.x, from: view.from, to: view.to };
    }
    if (event.pointerType === "mouse") {
      event.preventDefault();
      panel.box.focus({ preventScroll: true });
    }
  });

  panel.box.addEventListener("pointermove", (event) => {
    if (!panel.plot) return;
    const at = place(event);
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, at);
    if (pinch && pointers.size === 2) {
      act.pan(...pinched(pinch, pointers, over().clientWidth));
      return;
    }
    if (drag?.kind === "zoom" && Math.abs(at.x - drag.x) >= CLICK_PX) select(drag.x, at.x);
    if (drag?.kind === "pan") {
      const moved = ((at.x - drag.x) / over().clientWidth) * (drag.to - drag.from);
      act.pan(drag.from - moved, drag.to - moved);
    } else if (!cursor.isPinned && over().contains(event.target)) {
      panel.focus = nearest(panel, timeAt(at.x), at.y);
      cursor.move(timeAt(at.x), at.y);
    }
  });

  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pinch) {
      if (pointers.size < 2) {
        pinch = null;
        act.settle();
      }
      return;
    }
    const at = place(event), done = drag;
    if (!done) return;
    endDrag();
    if (event.type === "pointercancel") return;
    const isClick = Math.abs(at.x - done.x) < CLICK_PX;
    if (done.kind === "pan") act.settle();
    else if (isClick) {
      if (event.pointerType === "mouse") cursor.isPinned = !cursor.isPinned;
      else if (event.timeStamp - lastTap < DOUBLE_TAP_MS) act.back();
      else cursor.move(timeAt(at.x), at.y);
      lastTap = event.timeStamp;
    } else if (done.kind === "zoom") {
      state.done();
      act.zoom(timeAt(Math.min(done.x, at.x)), timeAt(Math.max(done.x, at.x)));
    }
  };
  panel.box.addEventListener("pointerup", release);
  panel.box.addEventListener("pointercancel", release);
  panel.box.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !cursor.isPinned && !drag) cursor.move(null);
  });
  panel.box.addEventListener("dblclick", (event) => {
    if (event.pointerType === "touch") return;
    cursor.isPinned = false;
    act.back();
  });
  panel.box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey || !panel.plot) return;
    event.preventDefault();
    const middle = timeAt(place(event).x), factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200)));
    act.pan(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
    act.settle();
  }, { passive: false });
  panel.box.addEventListener("keydown", (event) => pressed(event, panel, cursor, act));
  panel.box.addEventListener("blur", () => {
    cursor.isPinned = false;
    cursor.move(null);
  });
}

function pinchOf(pointers, timeAt) {
  const [first, second] = Array.from(pointers, ([id, at]) => ({ id, time: timeAt(at.x) }));
  return [first, second];
}

// Keeps the times that were under the fingers under them.
function pinched(pinch, pointers, width) {
  const [first, second] = pinch.map(({ id, time }) => ({ time, x: pointers.get(id).x }));
  const pixels = second.x - first.x;
  const perPixel = Math.abs(pixels) < 8 ? (view.to - view.from) / width : (second.time - first.time) / pixels;
  if (!(perPixel > 0)) return [view.from, view.to];
  const middle = (first.time + second.time) / 2 - ((first.x + second.x) / 2) * perPixel;
  return [middle, middle + width * perPixel];
}

function nearest(panel, time, y) {
  let best = null, distance = Infinity;
  for (const series of panel.series) {
    let i = series.at.findIndex((at) => at >= time);
    if (i < 0) i = series.at.length - 1;
    const away = i < 0 ? Infinity : Math.abs(panel.plot.valToPos(series.mean[i], "y") - y);
    if (away < distance) [best, distance] = [series.id, away];
  }
  return best;
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

function pressed(event, panel, cursor, act) {
  if (event.ctrlKey || event.metaKey || event.altKey || !panel.plot || event.target.closest("a")) return;
  const length = view.to - view.from;
  const middle = cursor.time ?? (view.from + view.to) / 2;
  const zoom = (factor) => act.zoom(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  const key = event.key;
  if (key in STEPS) {
    const count = STEPS[key] * (event.shiftKey && Number.isFinite(STEPS[key]) ? 10 : 1);
    cursor.step(panel, Number.isFinite(count) ? count : Math.sign(count) * 1e6);
    cursor.say(panel);
  } else if (key === "+" || key === "=") zoom(0.5);
  else if (key === "-") zoom(2);
  else if (key === ",") act.step(view.from - length / 4, view.to - length / 4);
  else if (key === ".") act.step(view.from + length / 4, view.to + length / 4);
  else if (key === "0") act.reset();
  else if (key === "t" || key === "T") act.table();
  else if (key === "Escape") act.back();
  else return;
  event.preventDefault();
}
