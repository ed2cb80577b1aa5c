"""Artillery test scripts run as they are: `config` and `scenarios` of a YAML or JSON file become a Plan.

    imported = artillery_plan(document, Wishes())

What the file says is kept where this engine can do it, said where it does it otherwise, and refused with its line where
it cannot. Source: the format's own schema and engines, artilleryio/artillery 2.0 (packages/types, packages/core).
"""

from scaleworthy.load.import_.artillery.script import artillery_plan, is_artillery

__all__ = ["artillery_plan", "is_artillery"]
