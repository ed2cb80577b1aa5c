"""Index advice: from statements that ran to indexes that were tried."""

from scaleworthy.audit.advice.advise import Advice, Helped, advise

__all__ = ["Advice", "Helped", "advise"]
