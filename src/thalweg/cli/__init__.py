"""The command line: one file per verb; main.py joins them."""
