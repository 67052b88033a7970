"""A field's week for its farmer and its agent: what to do, when, how much, why."""
