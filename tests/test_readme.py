"""The output that README.md shows is what the command prints today.

``python tests/test_readme.py`` writes it anew.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"(?<=compares\):\n\n```text\n)(.*?)(?=```\n)", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def printed():
    """What ``karat verify`` prints into a pipe."""
    command = [sys.executable, "-c", "from karat.app.cli import main; main()", "verify"]
    done = subprocess.run(command, capture_output=True, text=True, env={"COLUMNS": "100", "PATH": ""}, timeout=300)
    assert done.returncode == 0, done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def words(text):
    """The text with every number taken out, and the bars, whose length follows the numbers."""
    return NUMBER.sub("#", re.sub("[▇·]+", "", text)).split()


def numbers(text):
    return [float(n) for n in NUMBER.findall(text)]


def same(shown, now):
    """Float64 roundoff differs from machine to machine, and so do the last digits that a float32 sum gives."""
    return (abs(shown) < 1e-10 and abs(now) < 1e-10) or now == pytest.approx(shown, rel=0.05)


def test_the_output_in_the_readme_is_what_the_command_prints():
    match = BLOCK.search(README.read_text())
    assert match is not None
    shown, now = match[0], printed()
    assert words(shown) == words(now)
    pairs = list(zip(numbers(shown), numbers(now), strict=True))
    assert len(pairs) > 50
    assert [pair for pair in pairs if not same(*pair)] == []


def test_another_output_would_be_noticed():
    text = BLOCK.search(README.read_text())[0]
    changed = text.replace("66.", "46.", 1) if "66." in text else text.replace("62.", "42.", 1)
    assert not all(same(*pair) for pair in zip(numbers(text), numbers(changed), strict=True))
    assert words(text) != words(text.replace("faithful", "NOT FAITHFUL"))


if __name__ == "__main__":
    output = printed()
    README.write_text(BLOCK.sub(lambda match: output, README.read_text(), count=1))
