"""One file per kind of thing that can be observed."""
