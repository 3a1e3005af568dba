"""Lines for people, that grep finds whole."""


def say(console, line, style=None):
    """Print a line as it is: whatever brackets a file name has, and whatever its length."""
    console.print(line, style=style, highlight=False, markup=False, emoji=False, soft_wrap=True)
