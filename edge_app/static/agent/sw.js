// Keeps the app on the tablet.  VERSION and FILES stand above, written by the node.  A new version is
// fetched whole into a cache of its own before the old one is touched, and takes over when no window
// uses the old one, or when the person says so.
"use strict";

const NAME = `ghalla-${VERSION}`, HOME = "/agent/", BASE = `/agent/v/${VERSION}/`;
const fresh = (url) => new Request(url, { cache: "reload", credentials: "same-origin" });

async function fill() {
  const cache = await caches.open(NAME);
  try {
    // The page names the version that it belongs to: one of another version must not be kept here.
    const page = await fetch(fresh(HOME));
    if (!page.ok || !(await page.clone().text()).includes(BASE)) throw new Error("the node has another version by now");
    await cache.addAll([...FILES.map((name) => fresh(BASE + name)), fresh("/agent/manifest.webmanifest")]);
    await cache.put(HOME, page);
  } catch (error) {
    await caches.delete(NAME);
    throw error;
  }
}

async function sweep() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("ghalla-") && name !== NAME).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request, key) {
  const cache = await caches.open(NAME);
  return (await cache.match(key)) || fetch(request);
}

// Pictures of the fields from above: in a cache of their own, which is there only while the app wants
// it (sky.js); however they come, never more than so many (30 MB at the most), the oldest go first.
const TILES = "sky-tiles", MOST_TILES = 600, MOST_TILE_BYTES = 50000;

async function tile(request) {
  const known = await caches.match(request.url, { cacheName: TILES, ignoreVary: true });
  if (known) return known;
  const reply = await fetch(request);
  if (reply.status === 200 && !reply.redirected) await keep(request.url, reply.clone()).catch(() => {});
  return reply;
}

async function keep(url, reply) {
  const body = await reply.blob();
  if (body.size > MOST_TILE_BYTES || !(await caches.has(TILES))) return;
  const cache = await caches.open(TILES);
  await cache.put(url, new Response(body));
  const all = await cache.keys();
  for (const old of all.slice(0, Math.max(0, all.length - MOST_TILES))) await cache.delete(old);
}

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(sweep()));
self.addEventListener("message", (event) => { if (event.data === "take over") self.skipWaiting(); });
self.addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/sky/tiles/")) event.respondWith(tile(request));
  // Everything else (the API, the login page) is the network's.
  if (url.pathname === HOME) event.respondWith(answer(request, HOME));
  else if (url.pathname.startsWith(BASE) || url.pathname === "/agent/manifest.webmanifest") event.respondWith(answer(request, url.pathname));
});
