"""Keep a converter's progress bars and version notices out of the user's terminal."""

import contextlib
import io
import logging
import warnings


@contextlib.contextmanager
def quiet():
    """Silence stderr, warnings and log lines below ERROR for the duration; exceptions pass through."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
