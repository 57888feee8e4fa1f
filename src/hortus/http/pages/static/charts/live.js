// New readings as they are stored, over the live feed; by asking now and then where there is none.
import { root } from "./view.js";

const OPENS_WITHIN_MS = 5000;
const POLL_MS = 15000;
const LONGEST_PAUSE_MS = 60000;

// `on.reading(seriesId, seconds, value)`, `on.renew()`: ask for the points again, `on.state(state)`: live or lost.
export function follow(on) {
  // Readings come in the unit in which they are stored, and all else in that of the viewer.
  const conversions = JSON.parse(root.dataset.conversions);
  const ids = new Map(Array.from(root.querySelectorAll(".legend [data-series]"), (item) => [`${item.dataset.peripheral}/${item.dataset.type}`, { id: Number(item.dataset.series), ...(conversions[item.dataset.unit] ?? { factor: 1, offset: 0 }) }]));
  const kits = Array.from(new Set(Array.from(root.querySelectorAll(".legend [data-kit]"), (item) => item.dataset.kit)));
  let pause = 1000, polling = null;

  const poll = () => (polling ??= setInterval(() => document.visibilityState === "visible" && on.renew(), POLL_MS));
  const connect = () => {
    const address = new URL(root.dataset.live, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    const slow = setTimeout(() => socket.close(), OPENS_WITHIN_MS);
    socket.addEventListener("open", () => {
      kits.forEach((kit_serial, i) => socket.send(JSON.stringify({ jsonrpc: "2.0", id: i + 1, method: "subscribe", params: { topic: "raw_measurements", kit_serial } })));
    });
    let open = 0;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.id) {
        if (message.error) return socket.close();
        open += 1;
        if (open < kits.length) return;
        clearTimeout(slow);
        const again = polling !== null;
        clearInterval(polling);
        polling = null;
        pause = 1000;
        on.state("live");
        if (again) on.renew();
      }
      const told = message.params?.result;
      if (told) {
        const series = ids.get(`${told.peripheral}/${told.quantityType}`);
        if (series) on.reading(series.id, Date.parse(told.datetime) / 1000, told.value * series.factor + series.offset);
      } else if (message.method === "skipped" || message.method === "resumed") on.renew();
      else if (message.method === "subscription_ended") socket.close();
    });
    socket.addEventListener("close", () => {
      clearTimeout(slow);
      poll();
      setTimeout(connect, pause);
      pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
    });
  };
  connect();
}
