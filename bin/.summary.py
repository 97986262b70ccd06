"""Print the last lines of bin/test: what was measured, why tests were skipped, what failed, and the counts."""

import json
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def main(results: Path, failed_step: str | None) -> None:
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    failed: list[str] = []
    vitest = results / "vitest.json"
    if vitest.exists():
        report = json.loads(vitest.read_text())
        counts["passed"] += report["numPassedTests"]
        counts["skipped"] += report["numPendingTests"] + report.get("numTodoTests", 0)
        counts["failed"] += report["numFailedTests"]
    junit = results / "pytest.xml"
    if junit.exists():
        # Written a moment ago by our own pytest: nothing hostile in it.
        for case in ElementTree.parse(junit).iter("testcase"):  # noqa: S314 - pytest wrote it, just now
            for measured in case.iter("property"):
                print(f"measured: {measured.get('name')}: {measured.get('value')}")
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(f"{case.get('classname')}::{case.get('name')}")
            elif skip is not None:
                skipped[skip.get("message") or "no reason given"] += 1
            else:
                counts["passed"] += 1
    counts["skipped"] += skipped.total()
    counts["failed"] += len(failed)
    if failed_step is not None:
        print(f"failed: {failed_step}")
        counts["failed"] = max(counts["failed"], 1)
    for name in failed:
        print(f"failed: {name}")
    for reason, count in skipped.most_common():
        print(f"skipped: {count} x {reason}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")


main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
