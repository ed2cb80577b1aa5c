"""The parts of the objective language: its form, its reader, its units, and what it says of a store."""
