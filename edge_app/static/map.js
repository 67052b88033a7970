// The map of the fields: a day by the slider, an earlier day beside it, outlines that lead to the page
// of a field.  Without this script the page is a list of fields.
"use strict";
(() => {
  const form = document.getElementById("choice"), told = JSON.parse(form.dataset.told);
  const byId = (id) => document.getElementById(id);
  const index = byId("index"), when = byId("when"), before = byId("before"), views = byId("views");
  const earlier = byId("earlier"), later = byId("later");
  for (const id of ["map", "slider", "comparing"]) byId(id).hidden = false;
  const map = L.map("map", { attributionControl: false, zoomControl: false, minZoom: 4, maxZoom: 18 });
  L.control.zoom({
    position: document.documentElement.dir === "rtl" ? "topright" : "topleft",
    zoomInTitle: told.closer, zoomOutTitle: told.farther,
  }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  let view = "after", layer = null, waiting = 0;

  const address = () => {
    const day = told.days[when.value], from = before.value;
    const shown = { after: day, before: from || day, change: `${from}..${day}` }[view];
    return told.tiles.replace("INDEX", index.value).replace("WHEN", shown).replace("/0/0/0.png", "/{z}/{x}/{y}.png");
  };
  const draw = () => {
    layer = L.tileLayer(address(), { maxNativeZoom: 16, className: "pixels", day: true }).addTo(map);
    // The old day stays until the new one is there, so that the map does not blink.
    const mine = layer;
    layer.once("load", () => map.eachLayer((each) => { if (each.options.day && each !== layer && layer === mine) each.remove(); }));
  };
  const show = () => {
    const day = told.days[when.value];
    byId("said").firstElementChild.textContent = day.split("-").reverse().join("/");
    when.setAttribute("aria-valuetext", byId("said").textContent);
    earlier.disabled = when.value === when.min;
    later.disabled = when.value === when.max;
    for (const option of before.options) option.disabled = option.value !== "" && option.value >= day;
    if (before.value >= day) before.value = "";
    views.hidden = !before.value;
    if (!before.value) view = "after";
    for (const button of views.children) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    const legend = view === "change" ? "change" : index.value;
    for (const figure of document.querySelectorAll("[data-legend]")) figure.hidden = figure.dataset.legend !== legend;
    // A slider that is drawn along passes many days: only the one where it rests is asked for.
    clearTimeout(waiting);
    waiting = setTimeout(draw, layer ? 150 : 0);
  };
  const step = (days) => { when.value = Number(when.value) + days; show(); };
  const outline = (data, style, each) => L.geoJSON(data, { style, onEachFeature: each }).addTo(map);
  const get = (url) => fetch(url, { credentials: "same-origin" }).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)));

  index.addEventListener("change", show);
  when.addEventListener("input", show);
  earlier.addEventListener("click", () => step(-1));
  later.addEventListener("click", () => step(1));
  before.addEventListener("change", () => { view = before.value ? "change" : "after"; show(); });
  views.addEventListener("click", (event) => { if (event.target.dataset.view) { view = event.target.dataset.view; show(); } });
  form.addEventListener("submit", (event) => event.preventDefault());

  map.setView([31.8, -7], 6);
  get(told.fields).then((fields) => {
    const drawn = outline(fields, { color: "#1f5c3a", weight: 2, fill: true, fillOpacity: 0 }, (field, shape) => {
      const name = document.createElement("bdi");
      name.textContent = field.properties.name;
      if (field.properties.name) shape.bindTooltip(name);
      shape.on("click", () => { location.href = `${field.properties.page}?index=${index.value}`; });
    });
    if (fields.features.length) map.fitBounds(drawn.getBounds(), { padding: [20, 20], maxZoom: 16 });
  });
  for (const url of told.boundaries) get(url).then((lines) => outline(lines, { color: "#63553f", weight: 1.5, fill: false, interactive: false }).bringToBack());
  show();
})();
