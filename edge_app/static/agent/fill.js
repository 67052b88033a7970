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

export function screen(draft, form, vocabulary, land) {
  const sheet = new Sheet(draft, form, vocabulary);
  return sheet.page(fieldName(land, draft.field) || t("no_field"));
}

// One form being filled in: the draft, and what of it is on the page.
class Sheet {
  constructor(draft, form, vocabulary) {
    Object.assign(this, { draft, form, vocabulary, questions: questions(form), ended: false });
    this.blocks = new Map();
    this.sections = new Map();
    this.saving = Promise.resolve();
    this.where = h("p", { class: "where" });
    this.change = this.change.bind(this);
  }

  page(name) {
    const { draft } = this, sections = this.form.sections.map((section) => this.section(section));
    this.questions.forEach((q) => this.draw(q));
    this.refresh();
    this.locate();
    return h("form", { class: "fill", novalidate: true, onsubmit: (event) => { event.preventDefault(); this.finish(); } },
      h("h1", {}, shown(this.form.title)),
      h("p", { class: "lead" }, icon("leaf"), h("bdi", {}, name)),
      draft.supersedes && notice("", "again", h("p", {}, tt("correcting"))),
      sections,
      h("section", { class: "box" }, h("h2", {}, tt("place")), this.where, locator((found) => this.setPlace(found)), !canLocate() && h("p", {}, tt("needs_https"))),
      h("div", { class: "ends" },
        h("button", { type: "submit", class: "button main" }, icon("check"), h("span", {}, tt("keep"))),
        button(tt("throw_away"), "bin", () => this.discard(), "bad")));
  }

  section(section) {
    const mine = this.questions.filter((q) => q.section === section).map((q) => this.block(q));
    const made = h("section", { class: "box" }, h("h2", {}, shown(section.title)), mine);
    this.sections.set(section.id, made);
    return made;
  }

  block(q) {
    const single = SINGLE.has(q.type) || q.filled_by, star = q.required && h("span", { class: "must", "aria-hidden": "true" }, " *");
    const made = h(single ? "div" : "fieldset", { class: "question", id: `q-${q.id}` },
      h(single ? "label" : "legend", { class: "label", for: single ? `in-${q.id}` : null }, shown(q.label), star),
      said(q.hint || {}) && h("p", { class: "hint" }, shown(q.hint)),
      h("div", { class: "in" }), h("p", { class: "odd" }), h("p", { class: "wrong" }));
    this.blocks.set(q.id, made);
    return made;
  }

  draw(q) {
    this.part(q, ".in").replaceChildren(widget(q, this.draft, this.vocabulary, this.change));
  }

  part(q, selector) {
    return this.blocks.get(q.id).querySelector(selector);
  }

  // After every answer: what is shown now, and the draft on the tablet's disk.
  async change(redraw = false, photo = null) {
    if (this.ended) return;
    this.count();
    this.refresh();
    if (redraw) this.questions.filter((q) => q.type === "condition").forEach((q) => this.draw(q));
    const snapshot = structuredClone(this.draft);
    const done = this.saving.then(() => (photo ? db.attachPhoto(snapshot, photo) : db.putDraft(snapshot)));
    this.saving = done.catch(() => {});
    await done;
  }

  refresh() {
    const values = standing(this.form, this.draft.values);
    for (const q of this.questions) {
      const value = values[q.id];
      this.blocks.get(q.id).hidden = !isShown(q, values);
      if (q.calculate || q.filled_by) this.part(q, "output").textContent = typeof value === "number" ? `${number(value, 3)} ${q.unit || ""}` : "—";
      this.part(q, ".odd").textContent = outside(value, q.unusual) ? t("unusual") : "";
    }
    for (const [id, section] of this.sections) {
      section.hidden = this.questions.every((q) => q.section.id !== id || this.blocks.get(q.id).hidden);
    }
  }

  // What the node counts in a photo, where it is in reach; else the person counts alone.
  async count() {
    const { draft } = this;
    for (const q of this.questions.filter((each) => each.filled_by === "trap_counter")) {
      const trap = draft.values[q.of[0]], sha256 = draft.values[q.of[1]]?.[0], asked = `${trap} ${sha256}`;
      if (!COUNTED.has(trap) || !sha256 || draft.asked === asked) continue;
      draft.asked = asked;
      try {
        const body = originals.get(sha256) || (await db.photo(sha256)).bytes;
        const { said: answer } = await call("POST", `count?trap=${trap}`, { body, type: "image/jpeg", patience_s: 20 });
        if (answer.count !== null && draft.asked === asked) await this.fillIn(q, answer.count);
      } catch { draft.asked = null; }
    }
  }

  async fillIn(q, value) {
    const { values } = this.draft;
    values[q.id] = value;
    for (const other of this.questions.filter((each) => each.prefill && isEmpty(values[each.id]))) {
      values[other.id] = evaluate(other.prefill, values);
      this.draw(other);
    }
    await this.change();
  }

  // Without a tap where the person has agreed before; nothing waits for it.
  locate() {
    this.where.replaceChildren(placeText(this.draft.place));
    if (!this.draft.place && canLocate()) locate().then((found) => (this.draft.place ? null : this.setPlace(found))).catch(() => {});
  }

  async setPlace(found) {
    this.draft.place = found;
    this.where.replaceChildren(placeText(found));
    await this.change();
  }

  complain(found) {
    for (const q of this.questions) this.part(q, ".wrong").textContent = "";
    for (const { question, code, details } of found) this.part({ id: question }, ".wrong").textContent = explain(code, details);
    const first = this.blocks.get(found[0].question);
    first.scrollIntoView({ block: "center" });
    first.querySelector("input, select, textarea, button")?.focus({ preventScroll: true });
    announce(t("look_again"), true);
  }

  async finish() {
    const values = standing(this.form, this.draft.values), found = faults(this.form, values);
    if (found.length) { this.complain(found); return; }
    if (this.ended) return;
    this.ended = true;
    try {
      await this.saving;
      await keep(this.draft, values);
    } catch (error) {
      this.ended = false; // the tablet is full: the draft is still there
      throw error;
    }
    announce(t("kept_here"));
    location.hash = this.draft.field ? `#/field/${this.draft.field}` : "#/";
    sync();
  }

  async discard() {
    if (!confirm(t("throw_away_sure"))) return;
    this.ended = true;
    await this.saving;
    await db.dropDraft(this.draft.id);
    await db.tidyPhotos();
    location.hash = "#/";
  }
}

export async function keep(draft, values) {
  // Of photos too only those whose question is shown.
  const photos = [...new Set(draft.photoQuestions.flatMap((id) => values[id] || []))];
  const event = {
    id: draft.id, kind: "observation", subject: draft.field, author: draft.author, at: await moment(),
    body: { form: draft.form, version: draft.version, values, place: draft.place }, photos, supersedes: draft.supersedes,
  };
  const record = { id: draft.id, event, state: "here", made: Date.now(), problem: null };
  await db.finishDraft(draft.id, record, draft.replaces);
}

// Why an answer cannot be kept, from here or from the node.
export function explain(code, details = {}) {
  if (code === "check" && details.message) return said(details.message);
  return t(has(`wrong_${code}`) ? `wrong_${code}` : "wrong", { low: details.low ?? "…", high: details.high ?? "…" });
}
