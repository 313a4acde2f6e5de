"""Every case, with synchronous and asynchronous functions, embedded and stand-alone, over real HTTP."""

from __future__ import annotations

import pytest

from tests.engine.cases import ALL
from tests.engine.theatre import KINDS, MODES, Scenario, Theatre
from tests.engine.trial import Kind


@pytest.mark.parametrize("scenario", [pytest.param(each, id=each.__name__) for each in ALL])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_case(theatre: Theatre, mode: str, kind: Kind, scenario: Scenario) -> None:
    theatre.result(mode, scenario, kind)
