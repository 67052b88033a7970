// The fields from above on the newest day that the node knows, kept for the days away from it.  The
// service worker keeps every tile that comes by (sw.js); here they are made to come.

import { call } from "./api.js";
import * as db from "./db.js";
import { button, h } from "./dom.js";
import { land, sorted } from "./land.js";
import { TILES, forgetPictures } from "./sync.js";
import { day, number, shown, tt } from "./texts.js";

// Far out there are few tiles; nearer than 16 (2 m) there is nothing more to see in pixels of 10 m.
const FARTHEST = 10, NEAREST = 16;
// Fewer than the service worker keeps, so that looking around does not push them out.
const MOST = 500;

const isKept = async () => Boolean(await window.caches?.has(TILES));

// Ask for the newest day and all its tiles of the fields, in one window at a time.  What was kept
// before stays until the whole is here.
export async function takeAlong() {
  const worker = navigator.serviceWorker;
  if (!worker) return;
  if (worker.controller) await navigator.locks.request("ghalla-sky", { ifAvailable: true }, (lock) => lock && renew());
  else worker.addEventListener("controllerchange", takeAlong, { once: true });
}

async function renew() {
  const before = (await isKept()) ? await db.meta("sky") : null;
  const { said, etag, same } = await call("GET", "sky", { etag: before?.etag });
  if (same) return;
  if (!said.day) { await forgetPictures(); return; }
  const cache = await caches.open(TILES), known = await land();
  for (const url of tilesOf(said.tiles, sorted(known.fields, await db.records()))) await ask(url);
  await db.setMeta("sky", { etag, said });
  const [head, tail] = new URL(said.tiles, location.href).href.split("%7Bz%7D/%7Bx%7D/%7By%7D");
  for (const { url } of await cache.keys()) if (!url.startsWith(head) || !url.endsWith(tail)) await cache.delete(url);
}

async function ask(url) {
  const reply = await fetch(url, { redirect: "error" });
  if (!reply.ok) throw new Error(`${reply.status} for ${url}`);
  await reply.arrayBuffer();
}

// Addresses of the tiles that the fields lie on, all zooms of the first field first.
function tilesOf(address, fields) {
  const found = new Set();
  for (const { boundary } of fields) for (const place of placesOf(boundary)) {
    if (found.size === MOST) return found;
    found.add(address.replace(/\{([zxy])\}/g, (_all, axis) => place[axis]));
  }
  return found;
}

function* placesOf(boundary) {
  const lons = boundary.map(([lon]) => lon), lats = boundary.map(([, lat]) => lat);
  const west = Math.min(...lons), east = Math.max(...lons), south = Math.min(...lats), north = Math.max(...lats);
  for (let z = FARTHEST; z <= NEAREST; z++) {
    const [left, top] = tileAt(west, north, z), [right, bottom] = tileAt(east, south, z);
    for (let x = left; x <= right; x++) for (let y = top; y <= bottom; y++) yield { z, x, y };
  }
}

// Column and row of the tile (XYZ, EPSG:3857) at a place.
function tileAt(lon, lat, z) {
  const side = 2 ** z, north = Math.asinh(Math.tan((lat * Math.PI) / 180)) / Math.PI;
  return [Math.floor(((lon + 180) / 360) * side), Math.floor(((1 - north) / 2) * side)];
}

// The switch with day and legend for a map; nothing while no picture is kept.
export async function panel(map) {
  const said = (await isKept()) && (await db.meta("sky"))?.said;
  if (!said) return "";
  const { low, high, colours } = said.legend, bar = h("i");
  bar.style.background = `linear-gradient(to right, ${colours})`;
  const key = h("figure", {}, h("div", { class: "ramp" }, h("bdi", {}, number(low)), bar, h("bdi", {}, number(high))),
    h("figcaption", {}, shown(said.title), " · ", h("bdi", {}, h("time", { datetime: said.day }, day(said.day)))),
    h("small", {}, shown(said.clouds), " ", shown(said.source)));
  const turn = button(tt("from_above"), "search", () => set(key.hidden));
  function set(on) {
    localStorage.setItem("from_above", on ? "yes" : "no");
    key.hidden = !on;
    turn.setAttribute("aria-pressed", String(on));
    map.under(on && said.tiles, { minZoom: FARTHEST, maxNativeZoom: NEAREST, maxZoom: 20 });
  }
  set(localStorage.getItem("from_above") !== "no");
  return h("div", {}, turn, key);
}
