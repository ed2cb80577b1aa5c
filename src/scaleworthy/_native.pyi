"""Types of the Rust core; tests/boundary checks this file against the binary."""

__version__: str
build_profile: str
