// The forms' small language, evaluated as on the node (field_data/forms/expressions.py): an
// unanswered question is null, arithmetic with anything but numbers gives null.

const isNumber = (value) => typeof value === "number";
const isDate = (value) => typeof value === "string" && /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value);
const same = (a, b) => a === b && !Array.isArray(a);
const ordered = (compare) => (a, b) =>
  ((isNumber(a) && isNumber(b)) || (isDate(a) && isDate(b))) && compare(a, b);
const finite = (value) => (Number.isFinite(value) ? value + 0 : null);
const arithmetic = (compute) => (...parts) => (parts.every(isNumber) ? finite(compute(...parts)) : null);

function round(value, places) {
  if (!isNumber(value)) return null;
  const scale = 10 ** places, scaled = value * scale + 0.5;
  return Number.isFinite(scaled) ? Math.floor(scaled) / scale + 0 : null;
}

const OPERATORS = {
  "==": same,
  "!=": (a, b) => !same(a, b),
  "<": ordered((a, b) => a < b),
  "<=": ordered((a, b) => a <= b),
  ">": ordered((a, b) => a > b),
  ">=": ordered((a, b) => a >= b),
  in: (a, members) => Array.isArray(members) && members.some((member) => same(a, member)),
  and: (a, b) => a === true && b === true,
  or: (a, b) => a === true || b === true,
  not: (a) => a !== true,
  "+": arithmetic((a, b) => a + b),
  "-": arithmetic((a, b) => a - b),
  "*": arithmetic((a, b) => a * b),
  "/": arithmetic((a, b) => (b === 0 ? NaN : a / b)),
  min: arithmetic(Math.min),
  max: arithmetic(Math.max),
  round,
  if: (test, then, other) => (test === true ? then : other),
  answered: (a) => a !== null,
};

export function evaluate([operator, ...parts], answers) {
  if (operator === "const") return parts[0];
  if (operator === "list") return parts;
  if (operator === "ref") return answers[parts[0]] ?? null;
  return OPERATORS[operator](...parts.map((part) => evaluate(part, answers)));
}

export const isTrue = (tree, answers) => !tree || evaluate(tree, answers) === true;

// The questions that an expression asks for.
export function* references([operator, ...parts]) {
  if (operator === "ref") yield parts[0];
  else if (operator !== "const" && operator !== "list") for (const part of parts) if (Array.isArray(part)) yield* references(part);
}
