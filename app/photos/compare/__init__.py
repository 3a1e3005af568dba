"""The page of before and after: one HTML file that needs nothing but itself."""

from .numbers import check_truth
from .page import Pair, write_comparison

__all__ = ["Pair", "check_truth", "write_comparison"]
