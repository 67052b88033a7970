// Beside the login: who came before has gone, and pictures that the agents' app kept for them go too.
window.caches?.delete("sky-tiles");
