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

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(sweep()));
self.addEventListener("message", (event) => { if (event.data === "take over") self.skipWaiting(); });
self.addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  // Everything else (the API, the login page) is the network's.
  if (url.pathname === HOME) event.respondWith(answer(request, HOME));
  else if (url.pathname.startsWith(BASE) || url.pathname === "/agent/manifest.webmanifest") event.respondWith(answer(request, url.pathname));
});
