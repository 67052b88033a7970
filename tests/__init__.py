"""Tests of Ghalla."""
