"""Compare runs: how much did each quantity change, how sure is that, and is it better, worse or the same?"""

from scaleworthy.load.compare.comparison import Change, Comparison, compare
from scaleworthy.load.compare.text import comparison_markdown, comparison_text

__all__ = ["Change", "Comparison", "compare", "comparison_markdown", "comparison_text"]
