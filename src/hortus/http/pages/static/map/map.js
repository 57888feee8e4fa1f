// The map beside the list of kits: each shows what the other has. The list alone is enough.
"use strict";
(() => {
  const box = document.getElementById("map");
  const L = window.L;
  if (!box || !L) return;
  box.hidden = false;
  const words = box.dataset;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Leaflet gives tiles that it drops an empty picture as a data: address, which our policy refuses.
  const Tiles = L.TileLayer.extend({
    _removeTile(key) {
      const tile = this._tiles[key];
      if (!tile) return;
      tile.el.removeAttribute("src");
      L.GridLayer.prototype._removeTile.call(this, key);
    },
    _abortLoading() {
      for (const [key, { el, coords }] of Object.entries(this._tiles)) {
        if (coords.z === this._tileZoom) continue;
        el.onload = el.onerror = L.Util.falseFn;
        if (el.complete) continue;
        el.removeAttribute("src");
        L.DomUtil.remove(el);
        delete this._tiles[key];
        this.fire("tileabort", { tile: el, coords });
      }
    },
  });

  const map = L.map(box, {
    zoomControl: false, worldCopyJump: true, minZoom: 1, maxZoom: words.tiles ? 18 : 12,
    zoomAnimation: !still, fadeAnimation: !still, markerZoomAnimation: !still,
  });
  L.control.zoom({ zoomInTitle: words.zoomIn, zoomOutTitle: words.zoomOut }).addTo(map);
  map.attributionControl.setPrefix(false);
  if (words.tiles) {
    // Servers of tiles want to know which site asks; pages of ours name no site otherwise.
    new Tiles(words.tiles, { maxZoom: 18, referrerPolicy: "strict-origin-when-cross-origin" }).addTo(map);
    if (words.attribution) {
      const credit = document.createElement("span");
      credit.textContent = words.attribution;
      map.attributionControl.addAttribution(credit.innerHTML);
    }
  }

  const kits = [...document.querySelectorAll("[data-kit]")].map((item) => {
    const at = L.latLng(Number(item.dataset.latitude), Number(item.dataset.longitude));
    const link = item.querySelector("a");
    const sign = item.querySelector(".sign");
    const name = `${link.textContent.trim()}: ${item.querySelector(".part-state").textContent.trim()}`;
    const marker = L.marker(at, {
      title: name,
      icon: L.divIcon({ className: "map-mark", html: sign.cloneNode(true), iconSize: [36, 36] }),
    });
    marker.bindPopup(() => popup(item, link));
    const around = "exact" in item.dataset ? null : L.circle(at, { radius: 700, className: "about", interactive: false });
    const point = (on) => {
      item.classList.toggle("is-pointed-at", on);
      marker.getElement()?.classList.toggle("is-pointed-at", on);
    };
    for (const [target, enter, leave] of [[item, "mouseenter", "mouseleave"], [link, "focus", "blur"]]) {
      target.addEventListener(enter, () => point(true));
      target.addEventListener(leave, () => point(false));
    }
    marker.on("mouseover popupopen", () => point(true));
    marker.on("mouseout popupclose", () => point(false));
    return { item, at, marker, around, name: name.toLowerCase(), serial: decodeURIComponent(link.pathname.split("/").pop()).toLowerCase() };
  });

  function popup(item, link) {
    const content = document.createElement("div");
    content.className = "map-popup";
    content.append(link.cloneNode(true), item.querySelector(".part-state").cloneNode(true));
    if (!("exact" in item.dataset)) {
      const about = document.createElement("p");
      about.className = "hint";
      about.textContent = words.about;
      content.append(about);
    }
    return content;
  }

  const filter = document.querySelector("[data-filters]");
  const inView = document.getElementById("in-view");
  const all = document.getElementById("show-all");

  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const bounds = map.getBounds();
    let shown = 0;
    for (const kit of kits) {
      const fits = !wanted || kit.name.includes(wanted) || kit.serial.includes(wanted);
      for (const layer of [kit.marker, kit.around]) {
        if (layer && fits !== map.hasLayer(layer)) fits ? layer.addTo(map) : layer.remove();
      }
      const seen = fits && bounds.contains(kit.at);
      // What has focus stays.
      kit.item.hidden = !seen && !kit.item.contains(document.activeElement);
      shown += seen;
    }
    inView.hidden = shown === kits.length;
    all.hidden = shown === kits.length;
    inView.textContent = inView.dataset.pattern.replace("{shown}", shown).replace("{all}", kits.length);
  }

  function showAll() {
    if (kits.length) map.fitBounds(L.latLngBounds(kits.map((kit) => kit.at)).pad(0.15), { maxZoom: 9, animate: false });
    else map.setView([30, 10], 2);
  }

  showAll();
  draw();
  map.on("moveend", draw);
  filter.addEventListener("input", draw);
  all.querySelector("button").addEventListener("click", () => {
    filter.value = "";
    showAll();
    draw();
    filter.focus();
  });

  fetch(words.coast).then((answer) => answer.json()).then(({ lines }) => {
    const coast = lines.map((numbers) => {
      let [east, north] = [0, 0];
      const points = [];
      for (let index = 0; index < numbers.length; index += 2) {
        east += numbers[index];
        north += numbers[index + 1];
        points.push([north / 10, east / 10]);
      }
      return points;
    });
    L.polyline(coast, { className: "coast", interactive: false, smoothFactor: 0.5 }).addTo(map).bringToBack();
  }).catch(() => {});  // the kits are the map; coast lines only help to read it
})();
