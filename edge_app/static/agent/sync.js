// Sending what is kept here, and fetching what the node has.  Everything is sent under its own name
// (PUT), so that sending again what had arrived changes nothing: a reply that was cut off is harmless.

import { Refused, Unreachable, call, json, setToken } from "./api.js";
import * as db from "./db.js";

const FIRST_PAUSE_S = 2, LONGEST_PAUSE_S = 300;
// So long what was fetched is not asked for again, unless something about the land was sent.
const FRESH_S = 60;
// What is asked for with an ETag and kept as it came.
const KEPT = ["forms", "vocabulary", "land", "consents"];
// Pictures are for the person who works here: see sky.js.
export const TILES = "sky-tiles";
export const forgetPictures = () => window.caches?.delete(TILES);

// "idle", "sending", "unreachable", "signin", "trouble"
export const status = { now: "idle", done: 0, of: 0, said: "" };
export const news = new EventTarget();
let pause_s = FIRST_PAUSE_S, timer, again = false, running = false, fetched = 0;

function tell(now, more = {}) {
  Object.assign(status, { now, said: "" }, more);
  news.dispatchEvent(new Event("change"));
}

// Send and fetch, in one window of the app at a time; whoever asks meanwhile gets another round.
export async function sync(all = false) {
  clearTimeout(timer);
  again = true;
  if (all) fetched = 0;
  if (running) return;
  running = true;
  await navigator.locks.request("ghalla-sync", async () => {
    while (again) {
      again = false;
      await round();
    }
  });
  running = false;
  if (again) await sync();
}

async function round() {
  tell("sending", { done: 0, of: 0 });
  try {
    await meet();
    const changed = await sendAll();
    if (changed || Date.now() - fetched > 1000 * FRESH_S) {
      await fetchAll();
      fetched = Date.now();
    }
    pause_s = FIRST_PAUSE_S;
    tell("idle");
    // Behind everything else; what fails is tried again next time.
    import("./sky.js").then(({ takeAlong }) => takeAlong()).catch((error) => console.warn(error));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) { await forgetPictures(); tell("signin"); return; }
    if (!(error instanceof Unreachable || error instanceof Refused)) console.error(error);
    // A node that answers and refuses says why in its own words.
    if (error instanceof Unreachable) tell("unreachable");
    else tell("trouble", { said: error.title || "" });
    later(error.retryAfter);
  }
}

function later(wish_s) {
  const wait_s = wish_s || pause_s * (0.75 + Math.random() / 2);
  pause_s = Math.min(LONGEST_PAUSE_S, 2 * pause_s);
  timer = setTimeout(() => sync(), 1000 * wait_s);
}

export function watch() {
  const now = () => { pause_s = FIRST_PAUSE_S; sync(); };
  window.addEventListener("online", now);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) now(); });
  setInterval(() => { if (!document.hidden && status.now === "idle") sync(); }, 1000 * LONGEST_PAUSE_S);
  now();
}

// Who works here, and what time the node believes it is.
async function meet() {
  const { said: { csrf, csrf_header, ...person } } = await call("GET", "me");
  setToken(csrf_header, csrf);
  const before = await db.meta("me");
  if (before && before.id !== person.id) await forgetPictures();
  if (before?.id !== person.id || before?.lang !== person.lang) await db.setMeta("me", person);
  const { said: { time, ...node } } = await call("GET", "node");
  const ahead_s = time.trust === "unknown" ? null : time.utc_s - Date.now() / 1000;
  await db.setMeta("node", { ...node, ahead_s });
}

// This moment by the node's clock if it is known to differ by more than two minutes.
export async function moment() {
  const { ahead_s } = (await db.meta("node")) || {};
  const off = ahead_s && Math.abs(ahead_s) > 120 ? ahead_s : 0;
  return { utc_s: Math.round(Date.now() + 1000 * off) / 1000, trust: "tablet" };
}

// Whether the land has changed.
async function sendAll() {
  const me = await db.meta("me"), mine = (await db.waiting()).filter((each) => each.event.author === me.id);
  const held = new Set();
  let land = false;
  for (const [done, record] of mine.entries()) {
    tell("sending", { done, of: mine.length });
    // A correction waits for what it corrects.
    const before = record.event.supersedes && (await db.record(record.event.supersedes));
    if (before && (held.has(before.id) || before.state === "refused")) { held.add(record.id); continue; }
    if (!(await send(record))) held.add(record.id);
    else {
      pause_s = FIRST_PAUSE_S;
      land ||= record.event.kind !== "observation";
    }
  }
  if (mine.length) await db.tidyPhotos();
  return land;
}

// Whether the node has it now; a refusal is written down beside the record.
async function send(record) {
  try {
    for (const sha256 of record.event.photos) await sendPhoto(sha256);
    await sendEvent(record);
    return true;
  } catch (error) {
    if (!(error instanceof Refused) || error.passing) throw error;
    const { code, title, problems } = error;
    await db.amendRecord(record.id, { state: "refused", problem: { code, title, problems } });
    return false;
  }
}

async function sendPhoto(sha256, anew = false) {
  const photo = await db.photo(sha256);
  if (!photo || (photo.sent && !anew)) return;
  await call("PUT", `photos/${sha256}`, { body: photo.bytes, type: "image/jpeg", patience_s: 90 });
  await db.photoSent(sha256, true);
}

async function sendEvent(record, second = false) {
  try {
    const { said } = await call("PUT", `events/${record.id}`, json(record.event));
    // Erased on the node on somebody's wish: it must not stay here either.
    if (said.state === "erased") await db.dropRecords([record.id]);
    else await db.amendRecord(record.id, { state: said.state, seq: said.seq, node: said.node, warnings: said.warnings, problem: null });
  } catch (error) {
    // The node tidied photos away that no record used yet: send them once more.
    if (second || error.code !== "photo_missing") throw error;
    for (const sha256 of error.details.photos || []) await sendPhoto(sha256, true);
    await sendEvent(record, true);
  }
}

async function fetchAll() {
  for (const name of KEPT) {
    const known = await db.meta(name);
    const { said, etag, same } = await call("GET", name, { etag: known?.etag });
    if (!same) await db.setMeta(name, { etag, said });
  }
  await fetchRecords();
}

// From the first record of ours that the hub does not have yet: its state may have changed.
async function fetchRecords() {
  const sent = (await db.records()).filter((each) => each.seq);
  let after = Math.min(...sent.filter((each) => each.state === "node").map((each) => each.seq - 1), Math.max(0, ...sent.map((each) => each.seq)));
  for (;;) {
    const { said } = await call("GET", `events?mine=1&after=${after}`);
    const states = new Map(sent.map((each) => [each.id, each.state]));
    const fresh = said.events.filter((each) => states.get(each.id) !== each.state);
    if (said.erased.length) await db.dropRecords(said.erased);
    if (fresh.length) await db.receive(fresh.map(asRecord));
    if (!said.more) return;
    after = said.next;
  }
}

function asRecord({ seq, node, state, received, ...event }) {
  return { id: event.id, event, state, seq, node, made: 1000 * event.at.utc_s, problem: null };
}
