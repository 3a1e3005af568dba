"""The page: a verdict as one HTML file that needs nothing but itself."""

from .plan import read_plan
from .render import to_html

__all__ = ["read_plan", "to_html"]
