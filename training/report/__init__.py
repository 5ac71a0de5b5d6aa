"""What an evaluation says: a JSON document, tables for a terminal, and a page with plots."""

from training.report.terminal import CANNOT_BE_TOLD, document, print_tables
from training.report.writer import page_writer

__all__ = ["CANNOT_BE_TOLD", "document", "page_writer", "print_tables"]
