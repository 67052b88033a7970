// The export file, for when this tablet's storage is at risk or no network ever comes: JSON Lines,
// photos before the records that show them (edge_app/agent/exchange.py reads it).

import { call } from "./api.js";
import * as db from "./db.js";

const PIECE_BYTES = 8 * 1024 * 1024;

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
const line = (value) => `${JSON.stringify(value)}\n`;

// Everything that no node has confirmed, as one Blob; the parts are never together in memory as text.
export async function exported() {
  const mine = (await db.records()).filter((each) => each.state === "here" || each.state === "refused").sort((a, b) => a.made - b.made);
  const parts = [line({ ghalla: "tablet-export", version: 1 })], told = new Set();
  for (const { event } of mine) {
    for (const sha256 of event.photos.filter((each) => !told.has(each))) {
      const photo = await db.photo(sha256);
      if (photo) parts.push(new Blob([line({ photo: sha256, jpeg: base64(new Uint8Array(photo.bytes)) })]));
      told.add(sha256);
    }
    parts.push(line({ event }));
  }
  return { blob: new Blob(parts, { type: "application/x-ndjson" }), count: mine.length };
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Sends a file in pieces of whole lines; {kept, refused: [item, …]}.
export async function imported(file, progress) {
  const sum = { kept: 0, refused: [] };
  for (let at = 0; at < file.size;) {
    const end = await endOfLine(file, at + PIECE_BYTES);
    const { said } = await call("POST", "import", { body: file.slice(at, end), type: "text/plain", patience_s: 300 });
    for (const item of said.items) {
      if (!item.ok) sum.refused.push(item);
      else if (item.event) {
        sum.kept += 1;
        if (item.state === "erased") await db.dropRecords([item.event]);
        else await db.amendRecord(item.event, { state: item.state, seq: item.seq, problem: null });
      }
    }
    at = end;
    progress(at / file.size);
  }
  return sum;
}

async function endOfLine(file, from) {
  for (let at = from; at < file.size; at += 65536) {
    const found = new Uint8Array(await file.slice(at, at + 65536).arrayBuffer()).indexOf(10);
    if (found >= 0) return at + found + 1;
  }
  return file.size;
}
