// Farms and fields as the node knows them, with what was drawn here since.

import * as db from "./db.js";
import { centre, distance_m } from "./place.js";

// {farms, fields}: Maps by id, in the node's order, new ones last.
export async function land() {
  const { said } = (await db.meta("land")) || { said: { farms: [], fields: [] } };
  const farms = new Map(said.farms.map((each) => [each.id, each]));
  const fields = new Map(said.fields.map((each) => [each.id, each]));
  for (const { event, state } of await db.records()) {
    if (state !== "here" && state !== "refused") continue;
    if (event.kind === "farm") farms.set(event.subject, { id: event.subject, event: event.id, ...event.body });
    if (event.kind === "field") fields.set(event.subject, { id: event.subject, event: event.id, ...event.body });
  }
  return { farms, fields };
}

export function fieldName({ farms, fields }, id) {
  const field = fields.get(id);
  if (!field) return "";
  const farm = farms.get(field.farm)?.name;
  return [field.name, farm].filter(Boolean).join(" · ");
}

// Where somebody was last first; with a place, what is near first.
export function sorted(fields, recent, here) {
  const last = new Map();
  for (const { event } of recent) last.set(event.subject, Math.max(last.get(event.subject) || 0, event.at.utc_s));
  const rank = here
    ? (field) => distance_m([here.lon, here.lat], centre(field.boundary))
    : (field) => -(last.get(field.id) || 0);
  return [...fields.values()].map((field) => [rank(field), field]).sort((a, b) => a[0] - b[0]).map(([, field]) => field);
}
