"""A deployment under load with a fault, in short: the long form is `make soak`."""

from __future__ import annotations

import pytest

from tests.soak.run import main


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_minute_under_load_leaves_what_the_oracle_says(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--minutes", "1", "--rate", "2000", "--seed", "15"])
    said = capsys.readouterr().out
    if status == 3:
        pytest.skip(said)
    assert status == 0, said
    assert "; 0 kills of workers" not in said
