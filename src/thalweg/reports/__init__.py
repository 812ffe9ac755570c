"""Records become one self-contained HTML file and one JSON file with the same facts."""

from thalweg.reports.report import Report, report

__all__ = ["Report", "report"]
