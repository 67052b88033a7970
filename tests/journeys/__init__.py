"""Whole journeys on a served node, as people make them."""
