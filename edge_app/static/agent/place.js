// Where the tablet is, and how big and how far things on the ground are.

const EARTH_M = 6371008.8, RAD = Math.PI / 180;

export const canLocate = () => window.isSecureContext && "geolocation" in navigator;

// One fix: {lon, lat, accuracy_m}; rejects after 20 s or without permission.
export const locate = () => new Promise((done, fail) => {
  if (!canLocate()) { fail(new Error("no geolocation here")); return; }
  navigator.geolocation.getCurrentPosition((fix) => done(place(fix)), fail, { enableHighAccuracy: true, timeout: 20000, maximumAge: 15000 });
});

// Fixes for as long as somebody wants them; returns what ends it.
export function follow(heard, failed) {
  const watch = navigator.geolocation.watchPosition((fix) => heard(place(fix)), failed, { enableHighAccuracy: true, maximumAge: 2000 });
  return () => navigator.geolocation.clearWatch(watch);
}

const place = ({ coords }) => ({
  lon: Number(coords.longitude.toFixed(7)),
  lat: Number(coords.latitude.toFixed(7)),
  accuracy_m: Math.round(10 * coords.accuracy) / 10,
});

export function distance_m(a, b) {
  const dx = (b[0] - a[0]) * RAD * Math.cos(((a[1] + b[1]) / 2) * RAD), dy = (b[1] - a[1]) * RAD;
  return EARTH_M * Math.hypot(dx, dy);
}

export const centre = (ring) => {
  const points = ring.slice(0, -1);
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
};

// Hectares inside a ring of [lon, lat], closed or not: the shoelace formula on a local plane, good
// to a thousandth for a field; the node computes the area that counts.
export function area_ha(points) {
  if (points.length < 3) return 0;
  const [lon0, lat0] = points[0];
  const flat = points.map(([lon, lat]) => [(lon - lon0) * RAD * EARTH_M * Math.cos(lat0 * RAD), (lat - lat0) * RAD * EARTH_M]);
  let twice = 0;
  flat.forEach(([x, y], at) => {
    const [u, v] = flat[(at + 1) % flat.length];
    twice += x * v - u * y;
  });
  return Math.abs(twice) / 2 / 10000;
}

// Whether two sides of the ring cross: such a field has no area that makes sense.
export function crosses(points) {
  const sides = points.map((point, at) => [point, points[(at + 1) % points.length]]);
  const turn = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
  const meet = ([a, b], [c, d]) => turn(a, b, c) !== turn(a, b, d) && turn(c, d, a) !== turn(c, d, b);
  return sides.some((one, i) => sides.some((other, j) => {
    const apart = Math.min(Math.abs(i - j), sides.length - Math.abs(i - j));
    return apart > 1 && meet(one, other);
  }));
}
