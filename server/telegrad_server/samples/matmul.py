"""Samples of products of vectors and matrices."""

from __future__ import annotations

from .base import T, sample

for a, b in (
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((2, 0, 3), (3, 4)),
):
    sample("matmul", T(*a), T(*b))
sample("matmul", T(2, 3, dtype="int64", low=-5, high=5), T(3, 2, dtype="int64", low=-5, high=5))
sample("matmul", T(2, 3, dtype="float16"), T(3, 2, dtype="float16"))
sample("matmul", T(2, 3, dtype="bfloat16"), T(3, 2, dtype="bfloat16"))
sample("mm", T(2, 3), T(3, 4))
sample("bmm", T(5, 2, 3), T(5, 3, 4))
sample("mv", T(2, 3), T(3))
sample("dot", T(3), T(3))
sample("outer", T(3), T(4))
sample("outer", T(3), T(4, dtype="int64", low=0, high=5))
sample("inner", T(2, 3), T(4, 3))
sample("inner", T(3), T(3))
sample("inner", T(), T(2, 3))
sample("inner", T(2, 5, 3), T(3))
sample("addmm", T(2, 4), T(2, 3), T(3, 4))
sample("addmm", T(4), T(2, 3), T(3, 4), beta=0.5, alpha=2)
sample("addmm", T(2, 4, values=[[float("nan")] * 4] * 2, grad=False), T(2, 3), T(3, 4), beta=0)
sample("addmv", T(2), T(2, 3), T(3), alpha=2.5)
sample("baddbmm", T(5, 2, 4), T(5, 2, 3), T(5, 3, 4), beta=2)
sample("addbmm", T(2, 4), T(5, 2, 3), T(5, 3, 4), beta=2, alpha=0.5)
sample("linear", T(2, 3), T(4, 3), T(4))
sample("linear", T(2, 3), T(4, 3))
sample("linear", T(5, 2, 3), T(4, 3), T(4))
sample("linear", T(3), T(4, 3), T(4))
sample("linear", T(2, 3), T(3))
sample("linear", T(2, 3), T(1, 3), T(1))
sample("linear", T(0, 3), T(4, 3), T(4))
sample("linear", T(2, 3, dtype="bfloat16"), T(4, 3, dtype="bfloat16"), T(4, dtype="bfloat16"))
sample("bilinear", T(5, 3), T(5, 4), T(2, 3, 4), T(2))
sample("bilinear", T(2, 5, 3), T(2, 5, 4), T(2, 3, 4))
sample("einsum", "ij,jk->ik", [T(2, 3), T(3, 4)])
sample("einsum", "bhqd,bhkd->bhqk", [T(2, 3, 4, 5), T(2, 3, 2, 5)])
sample("einsum", "ij->ji", [T(2, 3)])
sample("einsum", "ij->", [T(2, 3)])
sample("einsum", "ii", [T(3, 3)])
sample("einsum", "iij->ij", [T(3, 3, 2)])
sample("einsum", "i,j", [T(3), T(4)])
sample("einsum", "...ij,...jk", [T(5, 2, 3), T(3, 4)])
sample("einsum", "b...,b->...", [T(2, 3, 4), T(2)])
sample("einsum", "ij,ij->i", [T(2, 3), T(2, 3)])
sample("einsum", "ij,kj->ik", [T(2, 3), T(4, 1)])
sample("einsum", "ij,jk,kl->il", [T(2, 3), T(3, 4), T(4, 2)])
sample("einsum", "abc,acd,b->ad", [T(2, 3, 4), T(2, 4, 5), T(3)])
sample("einsum", "ij,k->i", [T(2, 3), T(4)])
sample("_tensordot", T(2, 3, 4), T(4, 3, 5), (1, 2), (1, 0), oracle=False)
sample("_tensordot", T(2, 3), T(4, 5), (), (), oracle=False)
sample("kron", T(2, 3), T(2))
sample("kron", T(2), T(2, 2))
