// One question of a form as something to tap.

import { announce, h, icon } from "./dom.js";
import * as db from "./db.js";
import { said, shown, t, tt } from "./texts.js";
import { numberOf, quick } from "./answers.js";
import { locate } from "./place.js";
import { show, shrunk } from "./photos.js";

// What was chosen, before it was made small, as long as the page is open: a trap is counted in it.
export const originals = new Map();

// The field of a question; `draft` holds the answers, `change` is told after each.
export function widget(q, draft, vocabulary, change) {
  const put = (value) => { draft.values[q.id] = value; return change(); };
  return WIDGETS[q.filled_by ? "calculated" : q.type]({ q, draft, vocabulary, put, change });
}

function tiles(kind, { q, draft, put }, options) {
  const given = () => [draft.values[q.id] ?? []].flat();
  const picked = (key, on) => {
    if (kind === "radio") return put(key);
    return put(on ? [...given(), key] : given().filter((each) => each !== key));
  };
  return h("div", { class: `tiles ${options.length > 6 ? "many" : ""}` }, options.map(({ key, label }) => h("label", { class: "tile" },
    h("input", { type: kind, name: q.id, value: String(key), checked: given().includes(key), onchange: (event) => picked(key, event.target.checked) }),
    h("span", {}, label))));
}

const choices = (at) => at.q.choices.filter((each) => !each.retired).map((each) => ({ key: each.key, label: shown(each.label) }));

function numeric({ q, draft, put }) {
  const value = draft.values[q.id];
  const input = h("input", {
    type: "text", inputmode: q.type === "decimal" ? "decimal" : "numeric", id: `in-${q.id}`, autocomplete: "off", dir: "ltr",
    value: value ?? "", onchange: () => set(numberOf(input.value)),
  });
  const step = (by) => set(Math.max(q.range?.[0] ?? -Infinity, (Number(draft.values[q.id]) || 0) + by));
  const taps = quick(q).map((n) => h("button", { type: "button", class: "quick", data: { n }, onclick: () => set(n) }, h("bdi", {}, `${n}${q.unit === "%" ? " %" : ""}`)));
  function set(n) {
    input.value = n ?? "";
    mark(n);
    put(n);
  }
  const mark = (n) => taps.forEach((tap) => tap.setAttribute("aria-pressed", String(Number(tap.dataset.n) === n)));
  mark(value);
  const name = said(q.label);
  return h("div", { class: "numeric" },
    taps.length > 0 && h("div", { class: "quicks" }, taps),
    h("div", { class: "stepper" },
      h("button", { type: "button", "aria-label": t("minus", { name }), onclick: () => step(-1) }, "−"), input,
      h("button", { type: "button", "aria-label": t("plus", { name }), onclick: () => step(1) }, "+"),
      q.unit && h("bdi", { class: "unit" }, q.unit)));
}

function text({ q, draft, put }) {
  const long = (q.max_chars || 500) > 80;
  const options = { id: `in-${q.id}`, maxlength: q.max_chars, value: draft.values[q.id] ?? "", dir: "auto", onchange: (event) => put(event.target.value.trim() || null) };
  return long ? h("textarea", { rows: 3, ...options }) : h("input", { type: "text", ...options });
}

const date = ({ q, draft, put }) =>
  h("input", { type: "date", id: `in-${q.id}`, value: draft.values[q.id] ?? "", onchange: (event) => put(event.target.value || null) });

function crop({ q, draft, vocabulary, put, change }) {
  const own = vocabulary.crops.find((each) => each.code === draft.values[q.id]);
  const all = h("select", { id: `in-${q.id}`, onchange: () => { put(all.value || null); change(true); } },
    h("option", { value: "" }, t("choose")),
    vocabulary.crops.map((each) => h("option", { value: each.code }, said(each.name))));
  all.value = own?.code ?? "";
  return all;
}

function condition(at) {
  const { q, draft, vocabulary } = at;
  const code = (q.of || []).map((id) => draft.values[id]).find(Boolean);
  const known = vocabulary.crops.find((each) => each.code === code)?.conditions || [];
  if (!code) return h("p", {}, tt("crop_first"));
  return tiles("radio", at, known.map((each) => ({ key: each.code, label: shown(each.name) })));
}

function place({ q, draft, put }) {
  const line = h("p", { class: "where" });
  const draw = () => line.replaceChildren(placeText(draft.values[q.id]));
  draw();
  return h("div", {}, line, locator(async (found) => { await put(found); draw(); }));
}

export const placeText = (found) => found
  ? h("bdi", {}, `${found.lat.toFixed(5)}, ${found.lon.toFixed(5)} (± ${Math.round(found.accuracy_m)} m)`)
  : tt("no_place");

export function locator(heard) {
  const button = h("button", {
    type: "button", class: "button", onclick: async () => {
      button.disabled = true;
      try { await heard(await locate()); } catch { announce(t("no_gps"), true); }
      button.disabled = false;
    },
  }, icon("near"), h("span", {}, tt("take_place")));
  return button;
}

function photos({ q, draft, change }) {
  const most = q.range?.[1] || 6;
  const list = h("ul", { class: "photos" });
  const draw = async () => {
    const found = await Promise.all((draft.values[q.id] || []).map(db.photo));
    list.replaceChildren(...(draft.values[q.id] || []).map((sha256, at) => thumbnail(sha256, found[at], at)));
    inputs.forEach((input) => { input.disabled = (draft.values[q.id] || []).length >= most; });
  };
  const thumbnail = (sha256, photo, at) => {
    const image = h("img", { alt: t("photo_n", { n: at + 1 }), width: 96, height: 96 });
    if (photo) show(image, photo.bytes);
    else image.src = `/api/v1/photos/${sha256}`;
    return h("li", {}, image, h("button", { type: "button", "aria-label": t("remove_photo_n", { n: at + 1 }), onclick: () => drop(sha256) }, "×"));
  };
  const keep = (now) => {
    draft.values[q.id] = now;
    draft.photos = [...new Set(draft.photoQuestions.flatMap((id) => draft.values[id] || []))];
  };
  const drop = async (sha256) => { keep((draft.values[q.id] || []).filter((each) => each !== sha256)); await change(); await draw(); };
  async function add(files) {
    for (const file of files) {
      if ((draft.values[q.id] || []).length >= most) { announce(t("enough_photos", { n: most }), true); break; }
      let photo;
      try { photo = await shrunk(file); } catch { announce(t("bad_photo"), true); continue; }
      if ((draft.values[q.id] || []).includes(photo.sha256)) continue;
      const before = draft.values[q.id] || [];
      originals.set(photo.sha256, file);
      keep([...before, photo.sha256]);
      try { await change(false, photo); } catch (error) { keep(before); throw error; }
    }
    await draw();
  }
  const input = (id, label, iconName, options) => {
    const field = h("input", { type: "file", accept: "image/*", id: `${id}-${q.id}`, ...options, onchange: async () => { const files = [...field.files]; await add(files); field.value = ""; } });
    return [field, h("label", { class: "button file" }, icon(iconName), h("span", {}, tt(label)), field)];
  };
  const [camera, cameraLabel] = input("camera", "take_photo", "camera", { capture: "environment" });
  const [gallery, galleryLabel] = input("gallery", "pick_photo", "gallery", { multiple: true });
  const inputs = [camera, gallery];
  draw();
  return h("div", {}, h("div", { class: "pair" }, cameraLabel, galleryLabel), list);
}

const WIDGETS = {
  integer: numeric, decimal: numeric, count: numeric,
  text, date, crop, condition, place, photo: photos,
  choice: (at) => tiles("radio", at, choices(at)),
  multi: (at) => tiles("checkbox", at, choices(at)),
  boolean: (at) => tiles("radio", at, [{ key: true, label: tt("yes") }, { key: false, label: tt("no") }]),
  calculated: ({ q }) => h("output", { id: `in-${q.id}`, dir: "ltr" }),
  note: () => "",
};
// Those whose label names one field; the others are groups.
export const SINGLE = new Set(["integer", "decimal", "count", "text", "date", "crop", "calculated"]);
