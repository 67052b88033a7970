// What a form makes of the answers so far: which questions are shown, what is calculated, what is
// missing.  No page in here.

import { evaluate, isTrue, references } from "./rules.js";

export const questions = (form) => form.sections.flatMap((section) => section.questions.map((q) => ({ ...q, section })));
export const isShown = (q, values) => isTrue(q.section.shown_if, values) && isTrue(q.shown_if, values);
export const isEmpty = (value) => value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
const isNumeric = (q) => ["integer", "decimal", "count"].includes(q.type);

// Only the answers to questions that are shown, calculated ones included; photos are [sha256, …].
export function standing(form, given) {
  let values = {};
  for (const q of questions(form)) {
    if (!isShown(q, values)) continue;
    const value = q.calculate ? evaluate(q.calculate, values) : given[q.id];
    if (!isEmpty(value)) values = { ...values, [q.id]: value };
  }
  return values;
}

// What is wrong, in the order of the questions: [{question, code, details}].
export function faults(form, values) {
  const found = [];
  for (const q of questions(form).filter((each) => isShown(each, values) && !each.calculate)) {
    const code = fault(q, values[q.id]);
    if (code) found.push({ question: q.id, code, details: { low: q.range?.[0], high: q.range?.[1] } });
  }
  for (const check of form.checks || []) {
    const asked = [...references(check.that)];
    if (!check.refuse || asked.some((id) => isEmpty(values[id])) || isTrue(check.that, values)) continue;
    found.push({ question: asked.at(-1), code: "check", details: { message: check.message } });
  }
  return found;
}

function fault(q, value) {
  if (q.type === "photo") return (value || []).length < (q.range?.[0] || Number(q.required || false)) ? "required" : null;
  if (isEmpty(value)) return q.required ? "required" : null;
  if (!isNumeric(q)) return null;
  if (typeof value !== "number") return "not_a_number";
  return outside(value, q.range) ? "out_of_range" : null;
}

export const outside = (value, bounds) => Boolean(bounds) && typeof value === "number"
  && ((bounds[0] !== null && value < bounds[0]) || (bounds[1] !== null && value > bounds[1]));

const DIGITS = /[٠-٩۰-۹]/g;
// A number as people write it: Arabic-Indic digits, a comma; the text itself if it is none.
export function numberOf(text) {
  const plain = text.trim().replace(DIGITS, (digit) => String(digit.charCodeAt(0) & 15)).replace(/[,٫]/, ".").replace(/[−–]/, "-");
  if (plain === "") return null;
  return /^[+-]?\d*\.?\d+$|^[+-]?\d+\.$/.test(plain) ? Number(plain) : text;
}

// Values for one tap: per cent, or round numbers within what is usual.
export function quick(q) {
  if (q.type === "decimal" && q.unit === "%" && q.range?.[1] === 100) return [0, 5, 10, 25, 50, 75, 100];
  if (!["count", "integer"].includes(q.type) || !q.unusual) return [];
  const [low, high] = q.unusual;
  return [1, 2, 5, 10, 20, 30, 50, 100, 200, 500].filter((n) => n >= (low ?? 0) && n <= (high ?? 100)).slice(0, 6);
}
