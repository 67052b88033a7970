// The agents' app: which screen is shown, and the line at the top that says what is not sent yet.

import { announce, byId, calm, h, icon } from "./dom.js";
import * as db from "./db.js";
import { LANGS, currentLang, direction, firstLang, t, tt, useLang } from "./texts.js";
import { news, status, watch } from "./sync.js";
import { loginAddress, screens } from "./screens.js";

let current = null, turn = 0;

// The screen for the address; what was drawn for an older one is thrown away.
async function show() {
  const mine = ++turn;
  const [name, id] = location.hash.replace(/^#\/?/, "").split("/");
  let made;
  try { made = await (screens[name || "home"] || screens.home)(id); } catch (error) { made = failed(error); }
  if (mine !== turn) return;
  current?.hidden?.();
  current = made.root ? made : { root: made };
  byId("main").replaceChildren(current.root);
  document.title = [current.root.querySelector("h1")?.textContent, t("app_name")].filter(Boolean).join(" · ");
  try { await current.shown?.(); } catch { announce(t("no_map"), true); }
}

function failed(error) {
  console.error(error);
  return h("div", {}, h("h1", {}, tt("broken")), h("p", {}, h("bdi", {}, String(error.message))), h("a", { class: "button", href: "#/" }, tt("home")));
}

// Screens that only show are drawn anew when something changes; those being filled in are not.
let soon;
function refresh() {
  clearTimeout(soon);
  soon = setTimeout(() => { bar(); if (current && !current.hidden && !current.root.matches("form")) show(); }, 60);
}

async function bar() {
  const waiting = (await db.waiting()).length, refused = (await db.records()).filter((each) => each.state === "refused").length;
  const [iconName, words] = {
    sending: ["send", t("sending", { done: status.done, of: status.of })],
    unreachable: ["clock", t("no_node")],
    signin: ["lock", t("sign_in_again")],
    trouble: ["warning", status.said || t("trouble")],
    idle: ["check", t("in_touch")],
  }[status.now];
  const line = byId("state"), known = status.now === "signin" ? h("a", { href: loginAddress() }, words) : h("span", {}, words);
  line.className = `state ${status.now}`;
  const counts = [
    waiting > 0 && h("span", { class: "count", id: "unsent", data: { n: waiting } }, t("unsent_n", { n: waiting })),
    refused > 0 && h("a", { class: "count bad", href: "#/refused" }, t("refused_n", { n: refused })),
  ];
  line.replaceChildren(icon(iconName), known, ...counts.filter(Boolean));
}

function frame() {
  byId("brand").textContent = t("app_name");
  byId("skip").textContent = t("to_page");
  byId("langs").setAttribute("aria-label", t("language"));
  byId("langs").replaceChildren(...Object.entries(LANGS).map(([code, name]) => h("button", {
    type: "button", lang: code, dir: direction(code), "aria-pressed": String(code === currentLang()), onclick: () => speak(code),
  }, name)));
  const foot = [["", "home", "home"], ["map", "near", "map"], ["records", "calendar", "records"], ["more", "lock", "tablet"]];
  byId("foot").setAttribute("aria-label", t("pages"));
  byId("foot").replaceChildren(...foot.map(([place, picture, label]) => h("a", { href: `#/${place}` }, icon(picture), h("span", {}, tt(label)))));
}

async function speak(lang) {
  await useLang(lang);
  announce("");
  frame();
  bar();
  await show();
}

// A new version is ready: it takes over when the person says so, never under a form in their hands.
function offer(worker) {
  const place = byId("update");
  place.replaceChildren(h("button", { type: "button", class: "button", onclick: () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker.postMessage("take over");
  } }, icon("again"), h("span", {}, tt("new_version"))));
}

async function install() {
  if (!("serviceWorker" in navigator)) return;
  const registration = await navigator.serviceWorker.register("/agent/sw.js", { scope: "/agent/", updateViaCache: "none" });
  if (registration.waiting && navigator.serviceWorker.controller) offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const fresh = registration.installing;
    fresh.addEventListener("statechange", () => { if (fresh.state === "installed" && navigator.serviceWorker.controller) offer(fresh); });
  });
}

// A full disk is met at any write: say so once, wherever it was, and where the way out is.
window.addEventListener("unhandledrejection", ({ reason }) => {
  if (reason instanceof db.AlreadyKept) announce(t("already_kept"), true);
  if (!(reason instanceof db.StorageFull)) return;
  announce(t("storage_full"), true);
  byId("full").replaceChildren(h("a", { class: "button bad", href: "#/more" }, icon("warning"), h("span", {}, tt("storage_full_export"))));
});

async function start() {
  const me = await db.meta("me");
  await useLang(localStorage.getItem("lang") ? firstLang() : me?.lang in LANGS ? me.lang : firstLang());
  frame();
  window.addEventListener("hashchange", () => { calm(); show().then(() => {
    scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
  }); });
  db.changes.addEventListener("change", refresh);
  news.addEventListener("change", bar);
  await show();
  bar();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  install().catch((error) => console.warn(error));
  // Asked once something is worth keeping; browsers grant it to installed apps without a question.
  if (me && navigator.storage?.persist && !(await navigator.storage.persisted())) await navigator.storage.persist();
  watch();
}

start().catch((error) => byId("main").replaceChildren(failed(error)));
