"""Loss, gradient and advantages against TRL's own code, on random batches. Skipped where TRL is missing."""

from __future__ import annotations

import pytest

pytest.importorskip("trl", reason="make peers installs TRL")
