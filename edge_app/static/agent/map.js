// The map: outlines of fields on plain paper, since no tiles are needed to find one's field, or on a
// picture from above.  Leaflet is loaded when the first map is shown.

import { h } from "./dom.js";
import { t } from "./texts.js";

const MOROCCO = [[27.6, -13.2], [35.95, -1]];
const NAMES_FROM = 16; // nearer than this, else they cover each other
const latlng = ([lon, lat]) => [lat, lon];

let loading;
function leaflet() {
  loading ||= new Promise((done, fail) => {
    document.head.append(h("link", { rel: "stylesheet", href: new URL("vendor/leaflet.css", import.meta.url) }));
    document.head.append(h("script", { src: new URL("vendor/leaflet.js", import.meta.url), onload: () => done(window.L), onerror: () => { loading = undefined; fail(new Error("no map")); } }));
  });
  return loading;
}

// {draw(points), onTap, centre(place)}: `fields` are outlined; a tap on one goes to it unless the map
// is for drawing.
export async function showMap(box, fields, { drawing = false, around = null, onTap = null } = {}) {
  const L = await leaflet();
  const map = L.map(box, { attributionControl: false, minZoom: 4, maxZoom: 20, zoomAnimation: false });
  map.zoomControl.setPosition(document.dir === "rtl" ? "topright" : "topleft");
  L.DomUtil.addClass(box, "paper");
  box.dir = "ltr"; // as Leaflet places its labels
  const outlines = L.featureGroup([...fields.values()].map((field) => outline(L, field, drawing)));
  outlines.addTo(map);
  let picture;
  const own = L.featureGroup().addTo(map), me = L.featureGroup().addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (around) map.fitBounds(around.map(latlng), { padding: [40, 40], maxZoom: 18 });
  else if (fields.size) map.fitBounds(outlines.getBounds(), { padding: [20, 20], maxZoom: 17 });
  else map.fitBounds(MOROCCO);
  const far = () => box.classList.toggle("far", map.getZoom() < NAMES_FROM);
  map.on("zoomend", far);
  far();
  if (onTap) map.on("click", ({ latlng: { lng, lat } }) => onTap([Number(lng.toFixed(7)), Number(lat.toFixed(7))]));
  for (const [part, name] of [["zoom-in", "zoom_in"], ["zoom-out", "zoom_out"]]) {
    const control = box.querySelector(`.leaflet-control-${part}`);
    control.setAttribute("aria-label", t(name));
    control.title = t(name);
  }
  return {
    draw(points) {
      own.clearLayers();
      if (points.length > 1) L.polygon(points.map(latlng), { color: "#a8401a", weight: 3 }).addTo(own);
      for (const point of points) L.circleMarker(latlng(point), { radius: 7, color: "#a8401a", fillOpacity: 0.9 }).addTo(own);
    },
    here({ lon, lat, accuracy_m }, move) {
      me.clearLayers();
      L.circle([lat, lon], { radius: accuracy_m, color: "#1a56b0", weight: 1 }).addTo(me);
      L.circleMarker([lat, lon], { radius: 5, color: "#1a56b0", fillOpacity: 1 }).addTo(me);
      if (move) map.setView([lat, lon], Math.max(map.getZoom(), 17));
    },
    // What lies under the outlines: tiles of an address, or nothing.
    under(address, zooms) {
      picture?.remove();
      picture = address ? L.tileLayer(address, zooms).addTo(map) : null;
      box.classList.toggle("seen", Boolean(address));
    },
    stop: () => map.stop().remove(),
  };
}

function outline(L, field, drawing) {
  const shape = L.polygon(field.boundary.map(latlng), { color: "#1f5c3a", weight: 3, fillOpacity: 0.15, interactive: !drawing });
  if (field.name) shape.bindTooltip(h("bdi", {}, field.name), { permanent: true, direction: "center", className: "field-name" });
  if (!drawing) shape.on("click", () => { location.hash = `#/field/${field.id}`; });
  return shape;
}
