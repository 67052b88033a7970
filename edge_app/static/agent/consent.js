// What the farmer of a farm agrees to: read to them, in their language, and said by them.

import { announce, button, h, icon, notice } from "./dom.js";
import * as db from "./db.js";
import { land } from "./land.js";
import { moment, sync } from "./sync.js";
import { pick, shown, t, tt, when } from "./texts.js";

let busy = false;

export async function screen(id) {
  const farm = (await land()).farms.get(id), words = (await db.meta("consents"))?.said, records = await db.records();
  if (!farm || !words) return h("h1", {}, tt("gone"));
  return h("div", {}, h("h1", {}, tt("consent")), h("p", { class: "lead" }, h("bdi", {}, farm.name)),
    notice("", "person", h("p", {}, tt("read_aloud")), h("p", {}, shown(words.promise))),
    words.purposes.map((each) => asked(each, farm, words.wording, records)));
}

function asked(each, farm, wording, records) {
  const said = records.filter(({ event, state }) => event.kind === "consent" && event.subject === farm.owner && event.body.purpose === each.purpose && state !== "refused");
  const last = said.sort((a, b) => a.event.at.utc_s - b.event.at.utc_s || a.made - b.made).at(-1)?.event;
  const choice = (given) => {
    const made = button(tt(given ? "agrees" : "agrees_not"), given ? "check" : "hand", () => decide(farm, each, wording, given, last), last?.body.given === given ? "main" : "");
    made.dataset.given = given;
    made.setAttribute("aria-pressed", String(last?.body.given === given));
    return made;
  };
  return h("section", { class: "box", data: { purpose: each.purpose } }, h("h2", {}, shown(each.title)), h("p", {}, shown(each.text)),
    h("p", { class: "where" }, last ? [icon("clock"), when(last.at.utc_s)] : tt("asked_not")),
    h("div", { class: "pair" }, choice(true), choice(false)));
}

// Whose farm it is may be unknown: then the farmer gets an id here, which is all that leaves the tablet.
async function decide(farm, { purpose, text }, wording, given, last) {
  if (busy) return;
  busy = true;
  try {
    const author = (await db.meta("me")).id, at = await moment(), owner = farm.owner || db.newId();
    const event = (kind, subject, body, supersedes) => ({ id: db.newId(), kind, subject, author, at, body, photos: [], supersedes });
    const events = farm.owner ? [] : [event("farm", farm.id, { name: farm.name, commune: farm.commune || "", owner }, farm.event)];
    // What another agent was told stays as it is; what was said last counts.
    events.push(event("consent", owner, { purpose, wording, lang: pick(text)[1], given }, last?.author === author ? last.id : null));
    await db.putRecords(events.map((each, n) => ({ id: each.id, event: each, state: "here", made: Date.now() + n, problem: null })));
    announce(t("kept_here"));
  } finally { busy = false; }
  sync();
}
