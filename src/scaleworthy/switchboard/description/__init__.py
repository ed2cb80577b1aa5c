"""The service as `/openapi.json` describes it: every route's answers, and how it refuses."""

from scaleworthy.switchboard.description.describing import describe

__all__ = ["describe"]
