"""Capacity: what limits the service, how far each resource would carry, and what growth needs and costs."""

from __future__ import annotations

from scaleworthy.capacity.assessment import Capacity, assess_capacity
from scaleworthy.capacity.current import Limiting, ResourceUse
from scaleworthy.capacity.growth import GrowthNeed
from scaleworthy.capacity.laws import CapacityError
from scaleworthy.capacity.prices import PriceBook, load_prices
from scaleworthy.capacity.sizes import SIZES, Assumptions, Size
from scaleworthy.capacity.usl import Usl
from scaleworthy.capacity.usl_fit import Point, UslFit, fit_usl

__all__ = [
    "SIZES",
    "Assumptions",
    "Capacity",
    "CapacityError",
    "GrowthNeed",
    "Limiting",
    "Point",
    "PriceBook",
    "ResourceUse",
    "Size",
    "Usl",
    "UslFit",
    "assess_capacity",
    "fit_usl",
    "load_prices",
]
