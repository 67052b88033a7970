// The map of the week: each field in the colour of its urgency, a tap opens it.  Without this script
// the page is a list.
"use strict";
(() => {
  const place = document.getElementById("map"), told = JSON.parse(place.dataset.told);
  const colours = ["#b9c7b4", "#f2c14e", "#d9741a", "#a01c17"];
  place.hidden = false;
  const map = L.map(place, { attributionControl: false, zoomControl: false, minZoom: 4, maxZoom: 18 });
  L.control.zoom({
    position: document.documentElement.dir === "rtl" ? "topright" : "topleft",
    zoomInTitle: told.closer, zoomOutTitle: told.farther,
  }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  map.setView([31.8, -7], 6);
  fetch(told.fields, { credentials: "same-origin" }).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status))).then((fields) => {
    const open = (field) => () => { location.href = field.properties.page; };
    const drawn = L.geoJSON(fields, {
      style: (field) => ({ color: "#2a2118", weight: 1.5, fillColor: colours[field.properties.urgency], fillOpacity: 0.85 }),
      onEachFeature: (field, shape) => {
        const said = document.createElement("bdi");
        said.textContent = [field.properties.name, field.properties.says].filter(Boolean).join(": ");
        if (said.textContent) shape.bindTooltip(said);
        shape.on("click", open(field));
        // From afar a field is a point: a dot of its colour stays visible.
        L.circleMarker(shape.getBounds().getCenter(), { radius: 6 + 2 * field.properties.urgency, color: "#fff", weight: 2, fillColor: colours[field.properties.urgency], fillOpacity: 1 }).on("click", open(field)).addTo(map);
      },
    }).addTo(map);
    if (fields.features.length) map.fitBounds(drawn.getBounds(), { padding: [20, 20], maxZoom: 16 });
  });
})();
