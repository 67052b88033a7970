// The words of the app in the person's language; they come from the node's gettext catalogues.

export const LANGS = { ar: "العربية", fr: "Français", zgh: "ⵜⴰⵎⴰⵣⵉⵖⵜ", en: "English" };
const RTL = new Set(["ar"]);
const FALLBACK = { ar: ["ar", "fr", "en"], fr: ["fr", "en", "ar"], zgh: ["zgh", "ar", "fr", "en"], en: ["en", "fr", "ar"] };
let lang = "ar", catalogue;

export const currentLang = () => lang;
export const direction = (of = lang) => (RTL.has(of) ? "rtl" : "ltr");

export function firstLang() {
  const wishes = [localStorage.getItem("lang"), ...navigator.languages.map((each) => each.slice(0, 3).replace(/-.*/, ""))];
  return wishes.find((wish) => wish in LANGS) || "ar";
}

export async function useLang(wish) {
  catalogue ||= await (await fetch(new URL("texts.json", import.meta.url))).json();
  lang = wish;
  localStorage.setItem("lang", wish);
  Object.assign(document.documentElement, { lang, dir: direction() });
  document.title = t("app_name");
}

const entry = (key) => pick(catalogue[key] || { [lang]: key });
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

export const t = (key, values = {}) => fill(entry(key)[0], values);
export const has = (key) => key in catalogue;

// The text as something to show, marked with its language where that is not the page's.
export function tt(key, values = {}) {
  const [text, other] = entry(key);
  return marked(fill(text, values), other);
}

function marked(text, other) {
  if (!other || other === lang) return document.createTextNode(text);
  const span = document.createElement("span");
  Object.assign(span, { lang: other, dir: direction(other), textContent: text });
  return span;
}

// A text of {ar: …, fr: …} and its language; the next one that its readers know where it is not there.
export function pick(texts = {}) {
  const other = FALLBACK[lang].find((each) => texts[each]) || Object.keys(texts)[0];
  return [texts[other] || "", other];
}
export const said = (texts) => pick(texts)[0];
export const shown = (texts) => marked(...pick(texts));

export function when(utc_s) {
  const locale = { zgh: "fr", ar: "ar-MA-u-nu-latn" }[lang] || lang;
  const options = { dateStyle: "medium", timeStyle: "short" };
  const bdi = document.createElement("bdi");
  bdi.textContent = new Intl.DateTimeFormat(locale, options).format(new Date(utc_s * 1000));
  if (lang === "zgh") bdi.lang = "fr";
  return bdi;
}
// A day as the person writes it.
export function day(iso) {
  const locale = { zgh: "fr", ar: "ar-MA-u-nu-latn" }[lang] || lang;
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(iso));
}
export const number = (value, digits = 1) => Number(value.toFixed(digits)).toLocaleString("en", { useGrouping: false });
