"""Which pests and diseases are about to come, and when work can be done."""
