from __future__ import annotations

import os

from hypothesis import settings

# MultiQC brings polars' build for old processors, which polars would then prefer: test what users run.
os.environ.setdefault("POLARS_PREFER_PKG", "32")

# A busy machine is slow, not wrong.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
