// What this tablet keeps, in IndexedDB.
//
// meta     name → value: who works here, forms, vocabulary, land, the node's clock
// drafts   what is being filled in; written at every change
// records  events with their state: here, node, hub, refused
// photos   sha256 → JPEG bytes, until the node has them and no draft needs them

const { openDB } = window.idb; // vendor/idb.js, loaded before this

export class StorageFull extends Error {}
// The draft was kept or thrown away in another window.
export class AlreadyKept extends Error {}

let opened;
const open = () => (opened ||= openDB("ghalla", 1, {
  upgrade(db) {
    db.createObjectStore("meta");
    db.createObjectStore("drafts", { keyPath: "id" });
    const records = db.createObjectStore("records", { keyPath: "id" });
    records.createIndex("state", "state");
    db.createObjectStore("photos", { keyPath: "sha256" });
  },
  blocking: (_now, _next, event) => event.target.close(),
  terminated: () => { opened = undefined; },
}));

// Every change is heard in all windows of the app.
const channel = new BroadcastChannel("ghalla-changes");
export const changes = new EventTarget();
channel.onmessage = () => changes.dispatchEvent(new Event("change"));
function changed() {
  changes.dispatchEvent(new Event("change"));
  channel.postMessage("change");
}

// One transaction, durable when it returns ("strict": on the disk, not only with the system).
async function write(stores, work) {
  const transaction = (await open()).transaction(stores, "readwrite", { durability: "strict" });
  const failed = transaction.done.catch((error) => error);
  try {
    const result = await work(...stores.map((name) => transaction.objectStore(name)));
    await transaction.done;
    changed();
    return result;
  } catch (error) {
    try { transaction.abort(); } catch { /* it has ended by itself */ }
    const why = (await failed) || error;
    throw [why.name, error.name].includes("QuotaExceededError") ? new StorageFull() : error;
  }
}

export const meta = async (name) => (await open()).get("meta", name);
export const setMeta = (name, value) => write(["meta"], (store) => store.put(value, name));

export const drafts = async () => (await open()).getAll("drafts");
export const draft = async (id) => (await open()).get("drafts", id);
// What has become a record is no draft any more, whatever another window still writes: it would be
// kept a second time.
async function mustBeOpen(records, id) {
  if (((await records.get(id))?.state ?? "refused") !== "refused") throw new AlreadyKept();
}
export const putDraft = (value) => write(["drafts", "records"], async (d, r) => {
  await mustBeOpen(r, value.id);
  await d.put(value);
});
// Together, so that no tidying finds the photo while nothing needs it yet.
export const attachPhoto = (value, photo) => write(["drafts", "records", "photos"], async (d, r, p) => {
  await mustBeOpen(r, value.id);
  await p.put(photo);
  await d.put(value);
});

export const records = async () => (await open()).getAll("records");
export const record = async (id) => (await open()).get("records", id);
export const waiting = async () => (await (await open()).getAllFromIndex("records", "state", "here")).sort((a, b) => a.made - b.made);
export const photo = async (sha256) => (await open()).get("photos", sha256);

// Not heard by the pages: sending hundreds of photos would draw the screen as often.
export async function photoSent(sha256, sent) {
  const store = (await open()).transaction("photos", "readwrite").store;
  const found = await store.get(sha256);
  if (found) await store.put({ ...found, sent });
}

// A draft becomes a record in one step: at no moment are there none or two of it.
export const finishDraft = (draftId, value, replaced) => write(["drafts", "records"], async (d, r) => {
  if (!(await d.get(draftId))) throw new AlreadyKept();
  if (replaced && replaced !== value.id) await r.delete(replaced);
  await r.put(value);
  await d.delete(draftId);
});
export const putRecords = (values) => write(["records"], async (store) => {
  for (const value of values) await store.put(value);
});

// What the node says of a record; what it does not say stays.
export const amendRecord = (id, news) => write(["records"], async (store) => {
  const found = await store.get(id);
  if (found) await store.put({ ...found, ...news });
});

export const receive = (events) => write(["records"], async (store) => {
  for (const each of events) {
    const known = await store.get(each.event.id);
    // What is still to be sent is not touched: the reply to it says more.
    if (known && known.state !== "node" && known.state !== "hub") continue;
    await store.put({ ...known, ...each });
  }
});

export const dropRecords = (ids) => write(["records"], async (store) => {
  for (const id of ids) await store.delete(id);
});
export const dropDraft = (id) => write(["drafts"], (store) => store.delete(id));

// Photos that neither a draft nor an unsent record needs.
export const tidyPhotos = () => write(["photos", "drafts", "records"], async (photos, d, r) => {
  const needed = new Set((await d.getAll()).flatMap((each) => each.photos));
  for (const each of await r.getAll()) {
    if (each.state === "here" || each.state === "refused") each.event.photos.forEach((sha256) => needed.add(sha256));
  }
  for (const sha256 of await photos.getAllKeys()) if (!needed.has(sha256)) await photos.delete(sha256);
});

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
// As field_data.ids.new_id: 128 random bits as 26 letters and digits.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  bits <<= 2n;
  let id = "";
  for (let at = 25; at >= 0; at--) id += BASE32[Number((bits >> BigInt(5 * at)) & 31n)];
  return id;
}
