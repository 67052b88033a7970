"""How the shipped models are made.  Needs the [train] extra; nothing on the node imports it."""
