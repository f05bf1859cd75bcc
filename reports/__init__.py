"""Reports: tables, figures and one HTML page, made from records alone."""

import logging

# Where Matplotlib cannot keep its caches, as without a home, it does without: figures are the same.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
