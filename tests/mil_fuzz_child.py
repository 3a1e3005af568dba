"""Opens and runs the packages whose paths come on stdin, one answer a line: what `test_mil_fuzz` asks its child for."""

import resource
import sys
import time

import numpy as np

from karat import BadInput
from karat.convert.mil import open_package
from karat.refimpl.errors import UnsupportedOperator


def outcome(path):
    """What became of a package."""
    try:
        program = open_package(path)
        inputs = {
            feature.name: np.full(feature.shape, 0.5) for feature in program.inputs if np.prod(feature.shape) < 1e7
        }
        program.predict(inputs)
    except UnsupportedOperator as error:
        return "unsupported", error
    except BadInput as error:
        return "refused", error
    except (TypeError, ValueError, MemoryError) as error:  # of np.full: a shape with None or beyond everything
        return ("refused" if error.__traceback__.tb_next is None else "crashed"), error
    except BaseException as error:
        return "crashed", error
    return "ran", ""


def main():
    """Answer until there are no more paths."""
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
    for line in sys.stdin:
        start = time.perf_counter()
        kind, said = outcome(line.rstrip("\n"))
        sentence = " ".join(str(said).split())[:300] if kind != "refused" or "\n" not in str(said) else "SEVERAL LINES"
        print(kind, f"{time.perf_counter() - start:.2f}", type(said).__name__, sentence, flush=True)


if __name__ == "__main__":
    main()
