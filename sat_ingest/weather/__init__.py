"""Weather of a place: sources, packs of a few hundred bytes, what fills the gaps."""
