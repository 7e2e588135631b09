"""A report that people like to look at: one HTML page with everything in it, and the same as JSON."""

from polyledger.report.files import Written, report_files, require_free, write_report
from polyledger.report.page import page

__all__ = ["Written", "page", "report_files", "require_free", "write_report"]
