"""The box around the node: what it runs on, how it is set up, updated, saved and moved."""
