// Filling in a form: kept at every change, checked at the end.

import { announce, button, h, icon, notice } from "./dom.js";
import * as db from "./db.js";
import { faults, isEmpty, isShown, outside, questions, standing } from "./answers.js";
import { call } from "./api.js";
import { evaluate } from "./rules.js";
import { SINGLE, locator, originals, placeText, widget } from "./widgets.js";
import { canLocate, locate } from "./place.js";
import { moment, sync } from "./sync.js";
import { has, number, said, shown, t, tt } from "./texts.js";
import { fieldName } from "./land.js";

// The traps that the node can count.
const COUNTED = new Set(["tuta", "yellow"]);

// A new draft for a field ("" for none); what the land says already is filled in.
export async function begin(form, field, author) {
  const crop = questions(form).find((q) => q.type === "crop");
  const values = crop && field?.crop ? { [crop.id]: field.crop } : {};
  const draft = {
    id: db.newId(), form: form.id, version: form.version, field: field?.id || "", author,
    values, photos: [], photoQuestions: photoQuestions(form), place: null, supersedes: null, started: Date.now(),
  };
  await db.putDraft(draft);
  return draft;
}

const photoQuestions = (form) => questions(form).filter((q) => q.type === "photo").map((q) => q.id);

// The draft of a correction, or of a second try at what the node refused.
export async function reopen(record, form, author) {
  const { event } = record;
  const kept = record.state === "refused" && record.problem?.code !== "id_taken";
  const draft = {
    id: kept ? event.id : db.newId(), form: event.body.form, version: event.body.version, field: event.subject, author,
    values: structuredClone(event.body.values), photos: [...event.photos], photoQuestions: photoQuestions(form),
    place: event.body.place, started: Date.now(),
    supersedes: record.state === "refused" ? event.supersedes : event.id,
    replaces: record.state === "refused" ? event.id : null,
  };
  await db.putDraft(draft);
  return draft;
}

export async function screen(draft, form, vocabulary, land) {
  const all = questions(form), blocks = new Map(), fields = new Map();
  let saving = Promise.resolve();

  async function change(redraw = false, photo = null) {
    count();
    refresh();
    if (redraw) all.filter((q) => q.type === "condition").forEach(drawField);
    const snapshot = structuredClone(draft);
    const done = saving.then(() => (photo ? db.attachPhoto(snapshot, photo) : db.putDraft(snapshot)));
    saving = done.catch(() => {});
    await done;
  }

  // What the node counts in a photo, where it is in reach; else the person counts alone.
  async function count() {
    for (const q of all.filter((each) => each.filled_by === "trap_counter")) {
      const trap = draft.values[q.of[0]], sha256 = draft.values[q.of[1]]?.[0], asked = `${trap} ${sha256}`;
      if (!COUNTED.has(trap) || !sha256 || draft.asked === asked) continue;
      draft.asked = asked;
      try {
        const body = originals.get(sha256) || (await db.photo(sha256)).bytes;
        const { said: answer } = await call("POST", `count?trap=${trap}`, { body, type: "image/jpeg", patience_s: 20 });
        if (answer.count !== null && draft.asked === asked) await fillIn(q, answer.count);
      } catch { draft.asked = null; }
    }
  }

  async function fillIn(q, value) {
    draft.values[q.id] = value;
    for (const other of all.filter((each) => each.prefill && isEmpty(draft.values[each.id]))) {
      draft.values[other.id] = evaluate(other.prefill, draft.values);
      drawField(other);
    }
    await change();
  }

  function refresh() {
    const values = standing(form, draft.values);
    for (const q of all) {
      const block = blocks.get(q.id), value = values[q.id];
      block.hidden = !isShown(q, values);
      if (q.calculate || q.filled_by) block.querySelector("output").textContent = typeof value === "number" ? `${number(value, 3)} ${q.unit || ""}` : "—";
      block.querySelector(".odd").textContent = outside(value, q.unusual) ? t("unusual") : "";
    }
    for (const section of form.sections) {
      sections.get(section.id).hidden = section.questions.every((q) => blocks.get(q.id).hidden);
    }
  }

  const drawField = (q) => fields.get(q.id).replaceChildren(widget(q, draft, vocabulary, change));

  function block(q) {
    const single = SINGLE.has(q.type), label = shown(q.label), hint = said(q.hint || {});
    const star = q.required && h("span", { class: "must", "aria-hidden": "true" }, " *");
    const field = h("div", { class: "in" });
    fields.set(q.id, field);
    const parts = [
      single ? h("label", { class: "label", for: `in-${q.id}` }, label, star) : h("legend", { class: "label" }, label, star),
      hint && h("p", { class: "hint" }, shown(q.hint)), field, h("p", { class: "odd" }), h("p", { class: "wrong" }),
    ];
    const made = h(single ? "div" : "fieldset", { class: "question", id: `q-${q.id}` }, parts);
    blocks.set(q.id, made);
    return made;
  }

  const sections = new Map(form.sections.map((section) => [section.id, h("section", { class: "box" },
    h("h2", {}, shown(section.title)), section.questions.map((q) => block(all.find((each) => each.id === q.id))))]));
  all.forEach(drawField);
  refresh();

  function complain(found) {
    for (const element of blocks.values()) element.querySelector(".wrong").textContent = "";
    for (const { question, code, details } of found) {
      const place = blocks.get(question)?.querySelector(".wrong");
      if (place) place.textContent = explain(code, details);
    }
    const first = blocks.get(found[0].question) || sections.values().next().value;
    first.scrollIntoView({ block: "center" });
    first.querySelector("input, select, textarea, button")?.focus({ preventScroll: true });
    announce(found[0].question ? t("look_again") : explain(found[0].code, found[0].details), true);
  }

  async function finish() {
    const values = standing(form, draft.values), found = faults(form, values);
    if (found.length) { complain(found); return; }
    await saving;
    await keep(draft, values);
    announce(t("kept_here"));
    location.hash = draft.field ? `#/field/${draft.field}` : "#/";
    sync();
  }

  const where = h("p", { class: "where" });
  const showPlace = () => where.replaceChildren(placeText(draft.place));
  const setPlace = async (found) => { draft.place = found; showPlace(); await change(); };
  showPlace();
  // Without a tap where the person has agreed before; nothing waits for it.
  if (!draft.place && canLocate()) locate().then((found) => (draft.place ? null : setPlace(found))).catch(() => {});

  const root = h("form", { class: "fill", novalidate: true, onsubmit: (event) => { event.preventDefault(); finish(); } },
    h("h1", {}, shown(form.title)),
    h("p", { class: "lead" }, icon("leaf"), h("bdi", {}, fieldName(land, draft.field) || t("no_field"))),
    draft.supersedes && notice("", "again", h("p", {}, tt("correcting"))),
    [...sections.values()],
    h("section", { class: "box" }, h("h2", {}, tt("place")), where, locator(setPlace), !canLocate() && h("p", {}, tt("needs_https"))),
    h("div", { class: "ends" },
      h("button", { type: "submit", class: "button main" }, icon("check"), h("span", {}, tt("keep"))),
      button(tt("throw_away"), "bin", () => discard(draft), "bad")));
  return root;
}

async function discard(draft) {
  if (!confirm(t("throw_away_sure"))) return;
  await db.dropDraft(draft.id);
  await db.tidyPhotos();
  location.hash = "#/";
}

export async function keep(draft, values) {
  const event = {
    id: draft.id, kind: "observation", subject: draft.field, author: draft.author, at: await moment(),
    body: { form: draft.form, version: draft.version, values, place: draft.place }, photos: draft.photos, supersedes: draft.supersedes,
  };
  const record = { id: draft.id, event, state: "here", made: Date.now(), problem: null };
  await db.finishDraft(draft.id, record, draft.replaces);
}

// Why an answer cannot be kept, from here or from the node.
export function explain(code, details = {}) {
  if (code === "check" && details.message) return said(details.message);
  return t(has(`wrong_${code}`) ? `wrong_${code}` : "wrong", { low: details.low ?? "…", high: details.high ?? "…" });
}
