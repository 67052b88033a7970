// Shrinks photos before they are sent, shows them, and keeps them when sending fails.
// Without this file the form works as it stands: the phone sends the photos as they are.
"use strict";
(() => {
  if (!window.createImageBitmap || !window.FormData || !HTMLCanvasElement.prototype.toBlob) return;
  // At once, before the first paint: the page would jump if the tiles came later.
  document.documentElement.classList.add("js");
  document.addEventListener("DOMContentLoaded", () => start(document.getElementById("send")));

  function start(form) {
    const say = form.dataset;
    const byId = (id) => document.getElementById(id);
    const list = byId("photos"), status = byId("status"), bar = byId("progress"), go = byId("go");
    const MOST = Number(say.most), MAX_BYTES = 250000, SIDES = [1600, 1280, 1024, 800, 640];
    const QUALITIES = [0.85, 0.72, 0.6];
    const DARK = 45, BLURRED = 18;
    const chosen = [];
    let sending = false;

    const tell = (text, bad) => { status.textContent = text; status.classList.toggle("bad", Boolean(bad)); };
    const toBlob = (canvas, quality) => new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));

    function draw(bitmap, side) {
      const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
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

    async function shrink(bitmap) {
      let best = null;
      for (const side of SIDES) {
        const canvas = draw(bitmap, side);
        for (const quality of QUALITIES) {
          best = await toBlob(canvas, quality);
          if (best && best.size <= MAX_BYTES) return best;
        }
      }
      return best;
    }

    // A hint only: the node judges for itself.  Mean brightness, and the contrast between neighbours.
    function weakness(bitmap) {
      const canvas = draw(bitmap, 160), { width, height } = canvas;
      const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
      const grey = new Float32Array(width * height);
      let sum = 0;
      for (let i = 0; i < grey.length; i++) {
        grey[i] = 0.299 * rgba[4 * i] + 0.587 * rgba[4 * i + 1] + 0.114 * rgba[4 * i + 2];
        sum += grey[i];
      }
      if (sum / grey.length < DARK) return say.dark;
      let edges = 0, count = 0;
      for (let y = 1; y < height - 1; y++) {
        for (let x = 1; x < width - 1; x++) {
          const at = y * width + x;
          const laplace = 4 * grey[at] - grey[at - 1] - grey[at + 1] - grey[at - width] - grey[at + width];
          edges += laplace * laplace;
          count++;
        }
      }
      return edges / Math.max(1, count) < BLURRED ? say.blur : "";
    }

    function show() {
      list.replaceChildren();
      list.hidden = chosen.length === 0;
      chosen.forEach((photo, index) => {
        const number = String(index + 1);
        const item = document.createElement("li");
        photo.preview.setAttribute("role", "img");
        photo.preview.setAttribute("aria-label", say.preview.replace("#", number));
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = "×";
        remove.setAttribute("aria-label", say.remove.replace("#", number));
        remove.addEventListener("click", () => { chosen.splice(index, 1); tell(""); show(); });
        item.append(photo.preview, remove);
        if (photo.hint) {
          const hint = document.createElement("p");
          hint.textContent = photo.hint;
          item.classList.add("weak");
          item.append(hint);
        }
        list.append(item);
      });
    }

    // Browsers before 2023 do not know the option, and turn photos upright or not as they like.
    function decoded(file) {
      return createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => createImageBitmap(file));
    }

    async function add(file) {
      if (chosen.length >= MOST) { tell(say.many, true); return; }
      let bitmap;
      try { bitmap = await decoded(file); }
      catch { tell(/hei[cf]/i.test(file.type + file.name) ? say.heic : say.unread, true); return; }
      const small = await shrink(bitmap);
      // Only a blob that the browser could make smaller is sent in place of the photo itself.
      const blob = small && small.size < file.size ? small : file;
      chosen.push({ blob, preview: draw(bitmap, 320), hint: weakness(bitmap) });
      bitmap.close();
      show();
    }

    for (const id of ["camera", "gallery"]) {
      const input = byId(id);
      input.addEventListener("change", async () => {
        tell("");
        const files = [...input.files];
        go.disabled = true; // until they are ready, or they would be left out
        for (const file of files) await add(file);
        input.value = ""; // the same photo can be picked again after it was removed
        go.disabled = sending;
      });
    }

    function busy(on) {
      sending = on;
      go.disabled = on;
      bar.hidden = !on;
      if (on) bar.value = 0;
    }

    function failed(text) {
      busy(false);
      tell(text, true);
      go.querySelector("span").textContent = say.again;
      go.focus();
    }

    function reason(xhr) {
      const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
      const notice = page.getElementById("problem");
      return notice ? notice.parentElement.textContent.replace(/\s+/g, " ").trim() : say.offline;
    }

    function send() {
      const data = new FormData();
      chosen.forEach((photo, index) => data.append("photo", photo.blob, `photo-${index + 1}.jpg`));
      if (form.elements.keep.checked) data.append("keep", "1");
      const xhr = new XMLHttpRequest();
      xhr.open("POST", form.action);
      xhr.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total;
      });
      xhr.upload.addEventListener("load", () => { bar.removeAttribute("value"); tell(say.thinking); });
      xhr.addEventListener("load", () => {
        if (xhr.status < 300 && xhr.responseURL) window.location.assign(xhr.responseURL);
        else failed(reason(xhr));
      });
      xhr.addEventListener("error", () => failed(say.offline));
      xhr.addEventListener("abort", () => failed(say.offline));
      busy(true);
      tell(say.sending);
      xhr.send(data);
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (sending) return;
      if (chosen.length === 0) { tell(say.none, true); return; }
      send();
    });
    // Coming back with the phone's back key must not find the button still switched off.
    window.addEventListener("pageshow", () => busy(false));
  }
})();
