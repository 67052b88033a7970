// Turns the drawn map into one that can be moved; the list of points is on the page already.
"use strict";
(() => {
  const box = document.getElementById("leaflet");
  const list = document.getElementById("points");
  if (!box || !list || !window.L) return;
  const sheet = document.getElementById("sheet");
  box.hidden = false;
  sheet.setAttribute("hidden", "");
  const map = L.map(box, { attributionControl: false, preferCanvas: true, maxZoom: 18 });
  const places = [];
  // A cell of 0.01 degrees.
  const half = 0.005;
  for (const each of list.children) {
    const lat = Number(each.dataset.lat), lon = Number(each.dataset.lon);
    const look = { color: "#1f5c3a", weight: 1, fillOpacity: 0.5 };
    const cell = [[lat - half, lon - half], [lat + half, lon + half]];
    const mark = "coarse" in each.dataset
      ? L.rectangle(cell, look) : L.circleMarker([lat, lon], { ...look, radius: 7 });
    mark.on("click", () => { window.location.assign(each.dataset.href); });
    mark.addTo(map);
    places.push([lat, lon]);
  }
  map.fitBounds(L.latLngBounds(places).pad(0.1), { maxZoom: 14 });
  L.control.scale({ imperial: false }).addTo(map);
  const lines = L.layerGroup().addTo(map);
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45];
  // The graticule stands in for tiles, which would come from the internet.
  const draw = () => {
    lines.clearLayers();
    const seen = map.getBounds();
    const step = steps.find((s) => (seen.getEast() - seen.getWest()) / s <= 8) || 45;
    const look = { color: "#b9ab8c", weight: 1, interactive: false };
    for (let at = Math.ceil(seen.getWest() / step) * step; at <= seen.getEast(); at += step)
      L.polyline([[-85, at], [85, at]], look).addTo(lines);
    for (let at = Math.ceil(seen.getSouth() / step) * step; at <= seen.getNorth(); at += step)
      L.polyline([[at, -180], [at, 180]], look).addTo(lines);
  };
  map.on("moveend", draw);
  draw();
})();
