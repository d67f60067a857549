"""What builds apps, where it can be had."""

from pathlib import Path

import pytest

from kdbuild.android.tools import Libraries, Tools, fetch_libraries, fetch_tools
from kdbuild.errors import BadInputError

DEMO = Path(__file__).resolve().parents[2] / "android_demo"


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """What builds apps, where it can be had."""
    try:
        return fetch_tools(DEMO / "gradle", tmp_path_factory.mktemp("tools"))
    except BadInputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def libraries(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    """What apps are compiled against, where it can be had."""
    try:
        return fetch_libraries(DEMO / "gradle", tmp_path_factory.mktemp("libraries"))
    except BadInputError as error:
        pytest.skip(str(error))
