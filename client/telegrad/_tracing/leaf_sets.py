"""Leaf sets: the leaves that gradients reach from a tensor. Tensors share them; only `backward` walks them.

A small set is interned, so that the steps of a loop meet the same objects again. A large one is a union that holds
its parts alone: joining costs the same however many leaves there are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final

FEW: Final = 256
"""A set of more leaves is a union of parts."""

_MEMO_LIMIT: Final = 4096


class Leaf:
    """The gradient state of a leaf, or of a result that keeps its gradient.

    - `has_grad` follows `backward` and `zero_grad`: True, False, or None where only the server knows. `grad` is the proxy
      of the gradient once it was asked for, `grad_leaves` the leaves that gradients flow to from there.
    - `passing`: it lives for one forward pass; leaf sets that contain it are never cached.
    - `moved`: an in-place op has given its owner, which is no leaf, a new history. Only the server knows whether
      tensors computed before or after reach it. `keeps`: its owner is no leaf, and keeps its gradient nevertheless.
    - `hooks` are called with the gradient; see `Mark`.
    """

    passing: ClassVar[bool] = False

    __slots__ = ("__weakref__", "grad", "grad_leaves", "has_grad", "hooks", "keeps", "moved", "owner")

    def __init__(self, owner: Any) -> None:
        # Cached leaf sets may outlive the tensor; its gradient must not.
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
        """The state that `restore` goes back to."""
        return self.has_grad, self.grad, self.grad_leaves

    def restore(self, state: tuple[bool | None, Any, LeafSet | None]) -> None:
        self.has_grad, self.grad, self.grad_leaves = state


def restore(states: list[tuple[Leaf, Any]]) -> None:
    """Give each leaf its state back."""
    for leaf, state in states:
        leaf.restore(state)


class LeafSet:
    """The leaves of a tensor: `members` where they are few, else the `parts` whose leaves they are.

    `certain`: gradients reach all of them. Only the server knows what a gradient of `create_graph` depends on: its set
    is an upper bound. `requires_grad`: a tensor with this set requires grad for certain. `large`: graphs over these leaves
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
"""Recent unions by their parts; recording looks here first."""


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
    """The leaves that gradients reach for certain, and those that they may reach."""
    certain: dict[Leaf, None] = {}
    possible: dict[Leaf, None] = {}
    seen: set[tuple[LeafSet, bool]] = set()
    for part, sure in _walk([(part, True) for part in sets if part is not None], seen):
        for leaf in part.members or ():
            (certain if sure and not leaf.moved else possible)[leaf] = None
    return list(certain), [leaf for leaf in possible if leaf not in certain]


def may_be_reached(followed: Iterable[Leaf], leaves: Iterable[Leaf]) -> list[Leaf]:
    """The followed results that have a leaf in common with these.

    A tensor computed from a result before it was followed does not have it among its leaves.
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
