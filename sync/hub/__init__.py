"""The hub that agronomists pull from.  Imported by the command line only."""
