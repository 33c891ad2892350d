"""Where our figures agree with the paper's, and where not: written after reading RESULTS.md."""

from __future__ import annotations

__all__ = ["FINDINGS"]

FINDINGS: dict[str, str] = {}
