"""The demo's command line."""

from __future__ import annotations

import pytest

from telegrad import _cli


def test_no_passes_over_the_data_is_refused_and_not_taken_for_the_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["telegrad", "demo", "--epochs", "0"])
    with pytest.raises(SystemExit):
        _cli.main()
    assert "--epochs is at least 1" in capsys.readouterr().err
