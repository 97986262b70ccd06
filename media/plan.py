"""What a relay must carry, as values, and the pure difference between two plans."""

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`receiver` gets the `kind` stream of `source`. Both are peer names within one room."""

    source: str
    kind: Kind
    receiver: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one room carries. A peer without an entry in `publishers` is not listened to at all."""

    publishers: frozenset[tuple[str, Kind]] = frozenset()
    edges: frozenset[Edge] = frozenset()


@dataclass(frozen=True, slots=True)
class PlanChange:
    removed_edges: tuple[Edge, ...] = field(default=())
    added_edges: tuple[Edge, ...] = field(default=())
    removed_publishers: tuple[tuple[str, Kind], ...] = field(default=())
    added_publishers: tuple[tuple[str, Kind], ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        return not (self.removed_edges or self.added_edges or self.removed_publishers or self.added_publishers)


def difference(actual: Plan, wanted: Plan) -> PlanChange:
    """Return what turns `actual` into `wanted`, in a stable order. Removals are to be applied first."""
    return PlanChange(
        removed_edges=tuple(sorted(actual.edges - wanted.edges)),
        added_edges=tuple(sorted(wanted.edges - actual.edges)),
        removed_publishers=tuple(sorted(actual.publishers - wanted.publishers)),
        added_publishers=tuple(sorted(wanted.publishers - actual.publishers)),
    )


def common(actual: Plan, wanted: Plan) -> Plan:
    """Return what both contain: `actual` without what is to end. Nothing begins with it."""
    return Plan(actual.publishers & wanted.publishers, actual.edges & wanted.edges)
