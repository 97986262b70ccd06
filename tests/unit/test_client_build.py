"""When the browser client is built again, and when Node is left alone."""

from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling is not installed")

import hatch_build
from hatch_build import SOURCE_HASH_FILE, ClientBuildError, build_client, is_current, source_hash


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "web_client"
    (source / "src").mkdir(parents=True)
    for name in ("index.html", "package.json", "package-lock.json", "src/main.ts"):
        (source / name).write_text(name)
    return source


@pytest.fixture
def built(tmp_path: Path, source: Path) -> Path:
    built = tmp_path / "static"
    built.mkdir()
    (built / "index.html").write_text("built")
    (built / SOURCE_HASH_FILE).write_text(source_hash(source) + "\n")
    return built


def test_built_files_of_this_source_are_current(source: Path, built: Path) -> None:
    assert is_current(source, built)


@pytest.mark.parametrize("name", ["index.html", "src/main.ts", "src/added.ts"])
def test_a_changed_or_added_source_file_calls_for_a_build(source: Path, built: Path, name: str) -> None:
    (source / name).write_text("changed")
    assert not is_current(source, built)


def test_packages_and_tests_do_not_count_as_source(source: Path, built: Path) -> None:
    for folder in ("node_modules", "test"):
        (source / folder).mkdir()
        (source / folder / "file.ts").write_text("x")
    assert is_current(source, built)


def test_without_built_files_a_build_is_needed(source: Path, built: Path) -> None:
    (built / "index.html").unlink()
    assert not is_current(source, built)


def test_built_files_without_their_stamp_are_not_trusted(source: Path, built: Path) -> None:
    (built / SOURCE_HASH_FILE).unlink()
    assert not is_current(source, built)


def test_built_files_without_any_source_are_used_as_they_are(tmp_path: Path, built: Path) -> None:
    assert is_current(tmp_path / "absent", built)


def test_a_build_checks_types_before_it_bundles_and_leaves_its_stamp(
    source: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def node(source: Path, *arguments: str) -> None:
        steps.append(Path(arguments[0]).name)
        built.mkdir(exist_ok=True)

    monkeypatch.setattr(hatch_build, "_install_packages", lambda source: steps.append("install"))
    monkeypatch.setattr(hatch_build, "_node", node)
    (source / "src" / "main.ts").write_text("changed")
    build_client(source, built)
    assert steps == ["install", "tsc", "vite.js"]
    assert (built / SOURCE_HASH_FILE).read_text().strip() == source_hash(source)


def test_a_build_that_breaks_off_is_done_again(source: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def node(source: Path, *arguments: str) -> None:
        raise ClientBuildError("types")

    monkeypatch.setattr(hatch_build, "_install_packages", lambda source: None)
    monkeypatch.setattr(hatch_build, "_node", node)
    (source / "src" / "main.ts").write_text("changed")
    with pytest.raises(ClientBuildError):
        build_client(source, built)
    assert not is_current(source, built)
