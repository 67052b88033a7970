// The screens that show: home, a field, records, the map, this tablet.

import { announce, button, h, icon, linkButton, notice } from "./dom.js";
import * as db from "./db.js";
import * as fill from "./fill.js";
import { exported, imported, save } from "./exchange.js";
import { fieldName, land, sorted } from "./land.js";
import { locate } from "./place.js";
import { show as showPhoto } from "./photos.js";
import { questions } from "./answers.js";
import { placeText } from "./widgets.js";
import { sync } from "./sync.js";
import { currentLang, said, shown, t, tt, when } from "./texts.js";

const SHORT_LIST = 8;
const forms = async () => ((await db.meta("forms"))?.said.forms || []);
// Those used most here come first; on a new tablet the visit, which is used most everywhere.
async function usualForms() {
  const uses = new Map([["scouting", 0.5]]);
  for (const { event } of await db.records()) if (event.body.form) uses.set(event.body.form, (uses.get(event.body.form) || 0) + 1);
  return (await forms()).toSorted((a, b) => (uses.get(b.id) || 0) - (uses.get(a.id) || 0));
}
const vocabulary = async () => (await db.meta("vocabulary"))?.said || { crops: [] };
const formOf = async (id, version) => {
  const all = await forms();
  return all.find((each) => each.id === id && each.version === version) || all.find((each) => each.id === id);
};
// A correction hides what it corrects.
const standing = (records) => {
  const gone = new Set(records.map((each) => each.event.supersedes));
  return records.filter((each) => !gone.has(each.id)).sort((a, b) => b.event.at.utc_s - a.event.at.utc_s);
};
let near = null, everything = false;

const STATES = { here: ["clock", "state_here"], node: ["check", "state_node"], hub: ["shield", "state_hub"], refused: ["warning", "state_refused"] };
function badge(state) {
  const [picture, words] = STATES[state];
  return h("span", { class: `badge ${state}`, data: { state } }, icon(picture), tt(words));
}

async function titleOf({ event }) {
  if (event.kind !== "observation") return tt(event.kind);
  const form = await formOf(event.body.form, event.body.version);
  return form ? shown(form.title) : h("bdi", {}, event.body.form);
}

async function line(record, known) {
  const name = fieldName(known, record.event.subject) || record.event.body.name || t("no_field");
  return h("li", {}, h("a", { class: "row", href: `#/record/${record.id}` },
    h("span", { class: "what" }, h("strong", {}, await titleOf(record)), h("bdi", {}, name), h("small", {}, when(record.event.at.utc_s))), badge(record.state)));
}
const lines = (records, known) => Promise.all(records.map((each) => line(each, known)));

async function home() {
  const me = await db.meta("me");
  if (!me) return stranger();
  const known = await land(), all = await db.records(), open = await db.drafts();
  const day = new Date().setHours(0, 0, 0, 0) / 1000;
  const today = standing(all).filter((each) => each.event.kind === "observation" && each.event.at.utc_s >= day);
  const list = sorted(known.fields, all, near), first = everything ? list : list.slice(0, SHORT_LIST);
  return h("div", {},
    h("h1", {}, tt("where_now")),
    open.length > 0 && h("section", {}, h("h2", {}, tt("drafts")), h("ul", { class: "rows" }, await Promise.all(open.map((each) => draftLine(each, known))))),
    h("ul", { class: "fields" }, first.map((field) => h("li", {}, h("a", { class: "row", href: `#/field/${field.id}` }, icon("leaf"), h("bdi", {}, fieldName(known, field.id))))),
      h("li", {}, h("a", { class: "row", href: "#/field/" }, icon("question"), tt("no_field")))),
    h("div", { class: "pair" },
      button(tt("nearest"), "near", async () => { try { near = await locate(); redraw(); } catch { announce(t("no_gps"), true); } }),
      list.length > SHORT_LIST && !everything && button(tt("all_fields"), "search", () => { everything = true; redraw(); }),
      linkButton(tt("new_field"), "hand", "#/draw")),
    h("h2", {}, tt("today")),
    today.length ? h("ul", { class: "rows", id: "today" }, await lines(today, known)) : h("p", {}, tt("nothing_today")));
}
export const loginAddress = () => `/${currentLang()}/staff/login?next=/agent/`;
const redraw = () => window.dispatchEvent(new HashChangeEvent("hashchange"));

const stranger = () => h("div", {}, h("h1", {}, tt("welcome")), notice("", "lock", h("p", {}, tt("not_paired"))),
  linkButton(tt("pair"), "shield", "/agent/pair", "main"), linkButton(tt("sign_in"), "person", loginAddress()), button(tt("try_again"), "again", () => sync(true)));

async function draftLine(draft, known) {
  const form = await formOf(draft.form, draft.version);
  return h("li", {}, h("a", { class: "row draft", href: `#/draft/${draft.id}` }, icon("again"),
    h("span", { class: "what" }, h("strong", {}, form ? shown(form.title) : draft.form), h("bdi", {}, fieldName(known, draft.field) || t("no_field")), h("small", {}, when(draft.started / 1000)))));
}

async function field(id) {
  const known = await land(), me = await db.meta("me"), found = known.fields.get(id);
  const past = standing(await db.records()).filter((each) => each.event.kind === "observation" && each.event.subject === (id || ""));
  const begin = async (form) => { const draft = await fill.begin(form, found, me.id); location.hash = `#/draft/${draft.id}`; };
  return h("div", {}, h("h1", {}, h("bdi", {}, fieldName(known, id) || t("no_field"))),
    found?.area_ha ? h("p", { class: "where" }, h("bdi", {}, `${found.area_ha.toFixed(2)} ha`)) : "",
    h("h2", {}, tt("record_what")),
    h("div", { class: "forms" }, (await usualForms()).map((form) => h("button", { type: "button", class: "row", data: { form: form.id }, onclick: () => begin(form) }, icon("next"), h("span", {}, shown(form.title))))),
    found && h("div", { class: "pair" }, linkButton(tt("change_field"), "hand", `#/draw/${id}`), linkButton(tt("consent"), "person", `#/consent/${found.farm}`)),
    past.length > 0 && [h("h2", {}, tt("before_here")), h("ul", { class: "rows" }, await lines(past, known))]);
}

async function draft(id) {
  const found = await db.draft(id);
  const form = found && (await formOf(found.form, found.version));
  if (!form) return h("div", {}, h("h1", {}, tt("gone")), linkButton(tt("home"), "home", "#/"));
  return fill.screen(found, form, await vocabulary(), await land());
}

async function record(id) {
  const found = await db.record(id), known = await land(), all = await db.records(), me = await db.meta("me");
  if (!found) return h("div", {}, h("h1", {}, tt("gone")), linkButton(tt("home"), "home", "#/"));
  const { event, problem } = found, later = all.find((each) => each.event.supersedes === id);
  const form = event.kind === "observation" && (await formOf(event.body.form, event.body.version));
  const edit = async () => { const fresh = await fill.reopen(found, form, me.id); location.hash = `#/draft/${fresh.id}`; };
  return h("article", {}, h("h1", {}, await titleOf(found)),
    h("p", { class: "where" }, h("bdi", {}, fieldName(known, event.subject) || event.body.name || t("no_field")), " ", when(event.at.utc_s)),
    h("p", {}, badge(found.state), found.seq && h("bdi", { class: "seq" }, `nº ${found.seq}`)),
    event.author !== me?.id && notice("", "person", h("p", {}, tt("other_person"))),
    found.state === "refused" && notice("bad", "warning", h("p", {}, h("strong", {}, tt("why_refused")), " ", problem?.title || ""), h("ul", {}, await reasons(problem, form)), h("p", {}, tt("what_to_do"))),
    later && notice("", "again", h("p", {}, h("a", { href: `#/record/${later.id}` }, tt("was_corrected")))),
    event.supersedes && h("p", {}, h("a", { href: `#/record/${event.supersedes}` }, tt("corrects"))),
    form ? await answers(form, event) : h("dl", {}, Object.entries(event.body).filter(([, value]) => typeof value !== "object").map(([key, value]) => [h("dt", {}, h("bdi", { lang: "en" }, key)), h("dd", {}, h("bdi", {}, String(value)))])),
    form && !later && event.author === me?.id && button(tt(found.state === "refused" ? "mend" : "correct"), "again", edit, "main"));
}

async function reasons(problem, form) {
  const labels = new Map(form ? questions(form).map((q) => [q.id, q.label]) : []);
  return (problem?.problems || []).map(({ question, at, code, details }) =>
    h("li", {}, h("bdi", {}, said(labels.get(question)) || question || at || ""), " ", fill.explain(code, details)));
}

async function answers(form, { body, photos }) {
  const list = h("dl", {}), words = await vocabulary();
  for (const q of questions(form)) {
    const value = body.values[q.id];
    if (value === undefined || q.type === "photo") continue;
    list.append(h("dt", {}, shown(q.label)), h("dd", {}, answer(q, value, words), q.unit ? ` ${q.unit}` : ""));
  }
  const pictures = h("ul", { class: "photos" });
  for (const [at, sha256] of photos.entries()) {
    const image = h("img", { alt: t("photo_n", { n: at + 1 }), width: 96, height: 96 }), kept = await db.photo(sha256);
    if (kept) showPhoto(image, kept.bytes);
    else image.src = `/api/v1/photos/${sha256}`;
    image.addEventListener("error", () => image.replaceWith(h("p", {}, tt("photo_on_node"))), { once: true });
    pictures.append(h("li", {}, image));
  }
  return [list, pictures, h("p", { class: "where" }, placeText(body.place))];
}

function answer(q, value, words) {
  if (q.type === "boolean") return tt(value ? "yes" : "no");
  if (q.type === "place") return placeText(value);
  const label = (key) => {
    const crops = q.type === "condition" ? words.crops.flatMap((each) => each.conditions) : words.crops;
    const found = q.choices ? q.choices.find((each) => each.key === key)?.label : crops.find((each) => each.code === key)?.name;
    return found && ["choice", "multi", "crop", "condition"].includes(q.type) ? said(found) : String(key);
  };
  return h("bdi", {}, [value].flat().map(label).join(", "));
}

async function records() {
  const known = await land(), all = standing(await db.records());
  return h("div", {}, h("h1", {}, tt("records")), all.length ? h("ul", { class: "rows" }, await lines(all.slice(0, 200), known)) : h("p", {}, tt("nothing_yet")));
}
async function refused() {
  const known = await land(), all = (await db.records()).filter((each) => each.state === "refused");
  return h("div", {}, h("h1", {}, tt("state_refused")), h("p", {}, tt("what_to_do")), h("ul", { class: "rows" }, await lines(all, known)));
}

async function map() {
  const known = await land(), box = h("div", { class: "map tall", role: "application", "aria-label": t("map") });
  const sky = h("section", {});
  let shownMap;
  return {
    root: h("div", {}, h("h1", {}, tt("map")), box, sky, linkButton(tt("new_field"), "hand", "#/draw")),
    async shown() {
      const { showMap } = await import("./map.js");
      shownMap = await showMap(box, known.fields);
      sky.append(await (await import("./sky.js")).panel(shownMap));
    },
    hidden: () => shownMap?.stop(),
  };
}

async function more() {
  const me = await db.meta("me"), node = await db.meta("node"), use = (await navigator.storage?.estimate?.()) || {};
  const safe = await navigator.storage?.persisted?.(), open = (await db.records()).filter((each) => each.state === "here" || each.state === "refused").length;
  const away = Boolean((await navigator.serviceWorker?.getRegistration("/agent/"))?.active);
  const mb = (bytes) => `${Math.round((bytes || 0) / 1e6)} MB`;
  const file = h("input", { type: "file", id: "import", accept: ".jsonl" });
  file.addEventListener("change", () => bringIn(file));
  return h("div", {}, h("h1", {}, tt("tablet")),
    h("section", { class: "box" }, h("h2", {}, tt("person")), h("p", {}, h("bdi", {}, me?.name || t("not_paired"))),
      linkButton(tt(me ? "sign_in_other" : "sign_in"), "person", loginAddress())),
    h("section", { class: "box" }, h("h2", {}, tt("storage")),
      h("p", { id: "persisted" }, icon(safe ? "shield" : "warning"), tt(safe ? "storage_safe" : "storage_unsafe")),
      h("p", { id: "away" }, icon(away ? "check" : "warning"), tt(away ? "away_ready" : "away_not_yet")),
      h("p", {}, tt("storage_used"), " ", h("bdi", {}, `${mb(use.usage)} / ${mb(use.quota)}`))),
    h("section", { class: "box" }, h("h2", {}, tt("export")), h("p", {}, tt("export_why")), h("p", {}, t("unsent_n", { n: open })),
      button(tt("export"), "bottle", async () => { const { blob } = await exported(); save(blob, `ghalla-${new Date().toISOString().slice(0, 16).replace(/:/g, "")}.jsonl`); }, "main"),
      h("label", { class: "button file" }, icon("gallery"), h("span", {}, tt("import")), file)),
    h("section", { class: "box" }, h("h2", {}, tt("node")), h("p", {}, h("bdi", {}, node?.id || "—")), button(tt("send_now"), "send", () => sync(true))));
}

async function bringIn(file) {
  try {
    const { kept, refused: left } = await imported(file.files[0], (part) => announce(`${Math.round(100 * part)} %`));
    announce(t("imported", { n: kept, m: left.length }), left.length > 0);
  } catch (error) {
    if (error instanceof db.StorageFull) throw error;
    announce(error.title || t("no_node"), true);
  }
  file.value = "";
  sync(true);
}

async function drawScreen(id) {
  const { screen } = await import("./draw.js"), known = await land();
  return screen(known, await vocabulary(), (await db.meta("me"))?.id, known.fields.get(id));
}

const consent = async (id) => (await import("./consent.js")).screen(id);

export const screens = { home, field, draft, record, records, refused, map, more, draw: drawScreen, consent };
