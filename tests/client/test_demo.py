"""The demo's command line."""

from __future__ import annotations

import pytest


def test_no_passes_over_the_data_is_refused_and_not_taken_for_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    demo = pytest.importorskip("telegrad._demo", reason="the demo's extra is not installed")
    with pytest.raises(SystemExit):
        demo.main(["--epochs", "0"])
    assert "--epochs is at least 1" in capsys.readouterr().err
