"""Files of other tools become a Plan: each format has a module or folder here and an entry in `load/front.py`."""
