"""Which leaves gradients reach from a tensor: sets that are shared, grow by joining, and are counted only at `backward`.

A few leaves are a frozen set, interned, so that the steps of a loop meet the same objects again. More are a union that
knows its parts alone: joining costs the same however many leaves there are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final

FEW: Final = 256
"""So many leaves are held in one set; beyond, a set knows its parts."""

_MEMO_LIMIT: Final = 4096


class Leaf:
    """The gradient state of a leaf, or of a result that keeps its gradient.

    `has_grad` follows what `backward` and `zero_grad` do: True, False, or None where only the server knows. `grad` is
    the proxy of the gradient once somebody asked, `grad_leaves` what gradients flow to from there. `passing`: made for
    one forward pass, so that no set that is remembered may have it. `moved`: an in-place op has given its owner, which is
    no leaf, a new history; whether what was computed before or after reaches it only the server knows. `keeps`: its owner
    is no leaf, and keeps its gradient nevertheless. `hooks` are called with the gradient on its way; see `Mark`.
    """

    passing: ClassVar[bool] = False

    __slots__ = ("__weakref__", "grad", "grad_leaves", "has_grad", "hooks", "keeps", "moved", "owner")

    def __init__(self, owner: Any) -> None:
        # Sets of leaves are remembered longer than the tensor lives; its gradient must not be.
        self.owner = weakref.ref(owner, self._let_go)
        self.has_grad: bool | None = False
        self.grad: Any = None
        self.grad_leaves: LeafSet | None = None
        self.moved = False
        self.keeps = False
        self.hooks: dict[int, Callable[[Any], Any]] | None = None

    def _let_go(self, _: Any) -> None:
        self.grad = self.grad_leaves = None

    @property
    def is_wanted(self) -> bool:
        """Whether its owner lives and still requires grad."""
        owner = self.owner()
        return owner is not None and owner._leaves is not None

    @property
    def takes_grad(self) -> bool:
        """Whether its owner has a `.grad`: it is a leaf, or keeps its gradient."""
        owner = self.owner()
        return self.keeps or (owner is not None and owner._fn is None)

    def stop(self) -> Any:
        """The tensor whose hooks these are; None if it is gone."""
        return self.owner()

    def state(self) -> tuple[bool | None, Any, LeafSet | None]:
        """What `restore` takes back to."""
        return self.has_grad, self.grad, self.grad_leaves

    def restore(self, state: tuple[bool | None, Any, LeafSet | None]) -> None:
        self.has_grad, self.grad, self.grad_leaves = state


def restore(states: list[tuple[Leaf, Any]]) -> None:
    """Give leaves the states that stand beside them."""
    for leaf, state in states:
        leaf.restore(state)


class LeafSet:
    """The leaves of a tensor: `members` where they are few, else the `parts` whose leaves they are.

    `certain`: gradients reach all of them. What a gradient depends on (`create_graph`) only the server knows: its set is
    an upper bound. `requires_grad`: a tensor with this set requires grad for certain. `large`: graphs over these leaves
    have held much, so that a small result of one may hold much itself. `passing`: a member is.
    """

    __slots__ = ("__weakref__", "certain", "large", "members", "parts", "passing", "requires_grad")

    def __init__(
        self,
        members: frozenset[Leaf] | None,
        parts: tuple[LeafSet, ...] = (),
        *,
        certain: bool = True,
        requires_grad: bool = True,
    ) -> None:
        self.members = members
        self.parts = parts
        self.certain = certain
        self.requires_grad = requires_grad
        self.large: bool = any(part.large for part in parts)
        self.passing: bool = any(part.passing for part in parts) or any(leaf.passing for leaf in members or ())

    def uncertain(self, requires_grad: bool = False) -> LeafSet:
        """The same leaves as an upper bound."""
        return LeafSet(None, (self,), certain=False, requires_grad=requires_grad)


_interned: Final[weakref.WeakValueDictionary[frozenset[Leaf], LeafSet]] = weakref.WeakValueDictionary()
UNIONS: Final[dict[tuple[LeafSet | None, LeafSet], LeafSet]] = {}
"""Unions made lately, by their parts: what recording asks first."""


def only(leaf: Leaf) -> LeafSet:
    """The set of one leaf."""
    return LeafSet(frozenset((leaf,)))


def union(a: LeafSet | None, b: LeafSet) -> LeafSet:
    """The leaves of both."""
    merged = b if a is None else _merged((a, b))
    if not merged.passing:
        if len(UNIONS) >= _MEMO_LIMIT:
            UNIONS.clear()
        UNIONS[a, b] = merged
    return merged


def joined(sets: Iterable[LeafSet | None]) -> LeafSet | None:
    """The leaves of all; None if there are none."""
    parts = tuple(dict.fromkeys(part for part in sets if part is not None))
    if len(parts) < 2:
        return parts[0] if parts else None
    if len(parts) == 2:
        return UNIONS.get(parts) or union(*parts)
    return _merged(parts)


def _merged(parts: tuple[LeafSet, ...]) -> LeafSet:
    if any(part.members is None for part in parts) or sum(len(part.members or ()) for part in parts) > 2 * FEW:
        return _union_of(parts)
    members = frozenset().union(*[part.members or () for part in parts])
    for part in parts:
        if part.members == members:
            return part
    if len(members) > FEW:
        return _union_of(parts)
    found = _interned.get(members)
    if found is None:
        found = _interned[members] = LeafSet(members)
    found.large = found.large or any(part.large for part in parts)
    return found


def _union_of(parts: tuple[LeafSet, ...]) -> LeafSet:
    if len(parts) == 2:  # the same leaf again and again, as in a loop, adds nothing
        a, b = parts
        if a.certain and len(a.parts) == 2 and b in a.parts:
            return a
    return LeafSet(None, parts, requires_grad=any(part.requires_grad for part in parts))


def reached(sets: Iterable[LeafSet | None]) -> tuple[list[Leaf], list[Leaf]]:
    """The leaves that gradients reach for certain, and those that they may reach besides."""
    certain: dict[Leaf, None] = {}
    possible: dict[Leaf, None] = {}
    seen: set[tuple[LeafSet, bool]] = set()
    for part, sure in _walk([(part, True) for part in sets if part is not None], seen):
        for leaf in part.members or ():
            (certain if sure and not leaf.moved else possible)[leaf] = None
    return list(certain), [leaf for leaf in possible if leaf not in certain]


def may_be_reached(followed: Iterable[Leaf], leaves: Iterable[Leaf]) -> list[Leaf]:
    """Of results that are followed, those that have a leaf in common with these.

    What was computed from a result before it was followed does not have it among its leaves.
    """
    there = set(leaves)
    owners = [(leaf, leaf.owner()) for leaf in followed if leaf not in there]
    return [
        leaf
        for leaf, owner in owners
        if owner is not None and owner._fn is not None and not there.isdisjoint(_all([owner._leaves]))
    ]


def _all(sets: Iterable[LeafSet | None]) -> list[Leaf]:
    certain, possible = reached(sets)
    return certain + possible


def _walk(waiting: list[tuple[LeafSet, bool]], seen: set[tuple[LeafSet, bool]]) -> Iterator[tuple[LeafSet, bool]]:
    """Every set below, with whether its leaves are reached for certain."""
    while waiting:
        part, sure = waiting.pop()
        sure = sure and part.certain
        if (part, sure) in seen:
            continue
        seen.add((part, sure))
        yield part, sure
        waiting.extend((below, sure) for below in part.parts)
