// Elements without markup in strings: nothing that a person typed is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("viewBox", "0 0 48 48");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

let live;
// Said to people who listen, and shown for a while to those who look.
export function announce(text, bad = false) {
  const place = byId("said");
  place.textContent = text;
  place.classList.toggle("bad", bad);
  clearTimeout(live);
  live = setTimeout(() => { place.textContent = ""; }, bad ? 12000 : 5000);
}

// What was wrong on the screen before does not concern the next one.
export function calm() {
  if (byId("said").classList.contains("bad")) announce("");
}

export function button(label, iconName, onclick, kind = "") {
  return h("button", { type: "button", class: `button ${kind}`, onclick }, iconName && icon(iconName), h("span", {}, label));
}
export function linkButton(label, iconName, href, kind = "") {
  return h("a", { class: `button ${kind}`, href }, iconName && icon(iconName), h("span", {}, label));
}
export function notice(kind, iconName, ...children) {
  return h("div", { class: `notice ${kind}` }, icon(iconName), h("div", {}, ...children));
}
