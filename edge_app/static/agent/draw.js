// A field, new or changed: its corners tapped on the map, or marked while walking round it.

import { announce, button, h, icon } from "./dom.js";
import * as db from "./db.js";
import { area_ha, canLocate, crosses, follow } from "./place.js";
import { moment, sync } from "./sync.js";
import { number, said, t, tt } from "./texts.js";

const MOST_POINTS = 200, COARSE_M = 15;

export async function screen(known, vocabulary, author, old = null) {
  const { showMap } = await import("./map.js");
  // Half a field walked is half an hour: what was marked before the tablet died is there again.
  const kept = await db.meta("drawing"), mine = kept?.field === (old?.id || "") ? kept : null;
  const points = mine?.points || (old ? old.boundary.slice(0, -1) : []);
  let map, fix = null, source = mine?.source || old?.source || "drawn", stop = () => {}, ended = false;

  const box = h("div", { class: "map", role: "application", "aria-label": t("map") });
  const area = h("p", { class: "area", "aria-live": "polite" });
  const where = h("p", { class: "where" });
  const undo = button(tt("undo"), "again", () => { points.pop(); changed(); });
  const corner = button(tt("mark_corner"), "near", () => {
    if (!fix) { announce(t("no_gps"), true); return; }
    source = "walked";
    if (fix.accuracy_m > COARSE_M) announce(t("coarse_gps", { m: Math.round(fix.accuracy_m) }), true);
    add([fix.lon, fix.lat]);
  });
  corner.disabled = true;

  function add(point) {
    if (points.length >= MOST_POINTS) return;
    points.push(point);
    changed();
  }
  function changed() {
    draw();
    return db.setMeta("drawing", { field: old?.id || "", points: [...points], source });
  }
  function draw() {
    map?.draw(points);
    undo.disabled = points.length === 0;
    area.replaceChildren(points.length < 3 ? tt("three_corners") : crosses(points) ? tt("sides_cross") : h("bdi", {}, `${number(area_ha(points), 2)} ha`));
  }
  function heard(found) {
    const first = !fix;
    fix = found;
    corner.disabled = false;
    where.replaceChildren(h("bdi", {}, `± ${Math.round(found.accuracy_m)} m`));
    map?.here(found, first && points.length === 0);
  }

  const { farm, farmName, name, crop, parts } = answers(known, vocabulary, old);

  async function finish() {
    const newFarm = farmName.value.trim();
    const wrong = (points.length < 3 && "three_corners") || (crosses(points) && "sides_cross") || (!name.value.trim() && "field_name") || (farm.value === "" && !newFarm && "farm_name");
    if (wrong) { announce(t(wrong), true); return; }
    if (ended) return;
    ended = true;
    const farmId = farm.value || db.newId(), fieldId = old?.id || db.newId(), at = await moment();
    const events = farm.value ? [] : [event("farm", farmId, { name: newFarm })];
    events.push(event("field", fieldId, {
      farm: farmId, name: name.value.trim(), boundary: [...points, points[0]], area_ha: Number(area_ha(points).toFixed(4)),
      source, crop: crop.value || null,
    }, old?.event));
    const records = events.map((each, n) => ({ id: each.id, event: each, state: "here", made: Date.now() + n, problem: null }));
    try { await db.putRecords(records); } catch (error) { ended = false; throw error; }
    await db.setMeta("drawing", null);
    announce(t("kept_here"));
    location.hash = `#/field/${fieldId}`;
    sync();

    function event(kind, subject, body, supersedes = null) {
      return { id: db.newId(), kind, subject, author, at, body, photos: [], supersedes };
    }
  }

  const root = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); finish(); } },
    h("h1", {}, tt(old ? "change_field" : "new_field")), h("p", {}, tt(canLocate() ? "how_to_draw" : "how_to_draw_map")), box,
    area, where, h("div", { class: "pair" }, canLocate() && corner, undo),
    h("section", { class: "box" }, parts),
    h("button", { type: "submit", class: "button main" }, icon("check"), h("span", {}, tt("keep"))));

  draw();
  return {
    root,
    async shown() {
      map = await showMap(box, known.fields, { drawing: true, onTap: add, around: points.length > 1 ? points : null });
      draw();
      if (canLocate()) stop = follow(heard, () => {});
    },
    hidden() { stop(); map?.stop(); },
  };
}

// What is asked beside the boundary: the farm (or the name of a new one), the field's name, the crop.
function answers({ farms }, { crops }, old) {
  const name = h("input", { type: "text", id: "field-name", maxlength: 80, dir: "auto", value: old?.name });
  const farmName = h("input", { type: "text", id: "farm-name", maxlength: 80, dir: "auto" });
  const asked = (field, label, hidden = false) => h("div", { class: "question", hidden }, h("label", { class: "label", for: field.id }, tt(label)), field);
  const fresh = asked(farmName, "farm_name", farms.size > 0);
  const farm = h("select", { id: "farm", onchange: () => { fresh.hidden = farm.value !== ""; } },
    [...farms.values()].map((each) => h("option", { value: each.id }, each.name)), h("option", { value: "" }, t("new_farm")));
  const crop = h("select", { id: "field-crop" }, h("option", { value: "" }, t("choose")), crops.map((each) => h("option", { value: each.code }, said(each.name))));
  if (old) Object.assign(farm, { value: old.farm });
  crop.value = old?.crop || "";
  return { farm, farmName, name, crop, parts: [asked(farm, "farm"), fresh, asked(name, "field_name"), asked(crop, "crop")] };
}
