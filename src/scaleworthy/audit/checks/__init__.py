"""The checks: one folder per dimension, one folder per check."""
