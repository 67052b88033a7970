// Photos are drawn anew, small: nothing of the original file is left, so neither EXIF nor place.

const LONG_SIDE = 1280, MAX_BYTES = 350000, QUALITIES = [0.82, 0.7, 0.55];

const toBlob = (canvas, quality) => new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));

function drawn(bitmap) {
  const scale = Math.min(1, LONG_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#fff"; // JPEG has no transparency
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

export const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

// {sha256, bytes, width, height, sent} of a file that the person chose; throws when it is no photo.
export async function shrunk(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const canvas = drawn(bitmap);
  bitmap.close();
  let blob = null;
  for (const quality of QUALITIES) {
    blob = await toBlob(canvas, quality);
    if (blob && blob.size <= MAX_BYTES) break;
  }
  if (!blob) throw new Error("the photo could not be made smaller");
  const bytes = await blob.arrayBuffer();
  const sha256 = hex(await crypto.subtle.digest("SHA-256", bytes));
  return { sha256, bytes, width: canvas.width, height: canvas.height, sent: false };
}

// An address for an <img>; given free when the picture has been drawn.
export function show(image, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  image.src = url;
}
