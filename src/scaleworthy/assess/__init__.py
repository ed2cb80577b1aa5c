"""Assess a service: measure it, find what limits it, plan its growth, and say so."""
