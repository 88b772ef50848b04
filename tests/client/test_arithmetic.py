"""Numbers that operands are scaled by, integer division and powers, booleans in arithmetic: PyTorch's results."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.inprocess import LocalSession
from support.oracle import calls, evaluate, outcome

import telegrad as tg
from telegrad._runtime.process import stream

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    stream.restart()
    before, stream.session = stream.session, LocalSession()
    yield
    stream.restart()
    stream.session = before


CALLS = """
t.add(T([1]),T([2]),alpha=.5)
t.sub(T([1]),T([2]),alpha=.5)
T([1]).add_(T([2]),alpha=.5)
t.add(T([1.]),T([2]),alpha=.5)
t.add(T([1]),2,alpha=.5)
t.add(T([1]),2.5,alpha=.5)
t.add(T([True]),T([True]),alpha=True)
t.add(T([True]),T([True]),alpha=2)
t.add(T([1]),T([2]),alpha=True)
t.add(T([1.]),T([2.]),alpha=True)
t.sub(T([True]),T([True]))
t.sub(T([1]),T([True]))
T([True])-True
T([True])-1
1-T([True])
True-T([True])
t.neg(T([True]))
-T([True])
t.addcmul(T([1]),T([2]),T([3]),value=.5)
t.addcmul(T([1]),T([2]),T([3]),value=2)
t.addcmul(T([1.]),T([2.]),T([3.]),value=2)
t.addcdiv(T([1]),T([2]),T([3]),value=1)
t.addcdiv(T([1]),T([2]),T([3]),value=.5)
t.addcdiv(T([1]),T([2.]),T([3]))
t.addmm(T([[1]]),T([[2]]),T([[3]]),alpha=.5)
t.addmm(T([[1]]),T([[2]]),T([[3]]),beta=.5)
t.addmm(T([[1]]),T([[2]]),T([[3]]),beta=2)
t.addmv(T([1]),T([[2]]),T([3]),alpha=.5)
t.baddbmm(T([[[1]]]),T([[[2]]]),T([[[3]]]),beta=.5)
t.addbmm(T([[1]]),T([[[2]]]),T([[[3]]]),beta=.5)
t.index_add(T([1,2]),0,T([0]),T([3]),alpha=.5)
t.index_add(T([1,2]),0,T([0]),T([3]),alpha=2)
t.lerp(T([1]),T([2]),.5)
t.lerp(T([1.]),T([2.]),.5)
t.pow(T([2]),-1)
T([2])**-1
T([2])**-1.
T([2])**T([-1])
T([1])**T([-1])
2**T([-1])
t.pow(2,T([-1]))
T([2]).pow_(-1)
T([2.])**-1
T([2])**T(-1)
T([True])**2
T([True])**-1
T([True])**T([True])
t.full((2,),1.5,dtype=t.int64)
t.full((2,),True)
t.full((2,),2)
t.arange(3)+t.tensor(.5)
T([1]).add_(1.5)
T([1]).mul_(T([1.5]))
T([1]).div_(2)
T([1])/2
T([7]).fill_(1.5)
T([7]).masked_fill(T([True]),1.5)
T([1,2]).masked_fill(T([True,False]),T(1.5))
t.clamp(T([1,2]),1.5)
t.where(T([True,False]),T([1,2]),1.5)
t.cumsum(T([True,True]),0)
t.sum(T([True,True]))
t.prod(T([2,3]))
F.relu(T([-1]))
F.relu(T([True]))
t.bitwise_not(T([1.]))
T([1.])&T([1.])
T([1])<<T([2])
F.linear(t.ones(1,2),t.ones(3,2,dtype=t.float64))
t.trunc(T([1]))
t.floor(T([1]))
t.round(T([1]),decimals=1)
t.round(T([1.25]),decimals=1)
t.sign(T([True]))
t.abs(T([True]))
t.exp(T([1]))
t.maximum(T([1]),T([1.5]))
t.fmod(T([5]),T([3]))
t.true_divide(T([1]),2)
t.floor_divide(T([-5]),2)
t.remainder(T([-5]),2)
t.remainder(T([True]),T([True]))
t.floor_divide(T([True]),T([True]))
T([-5.5])//2
t.div(T([-5]),2,rounding_mode='trunc')
t.div(T([1]),0)
t.div(T([1]),T([0]),rounding_mode='floor')
t.div(T([1]),0,rounding_mode='trunc')
T([1])//0
T([1])%0
T([1])%T([0])
t.fmod(T([1]),0)
T([1]).fmod_(T([0]))
T([1.])//0
T([1.])%0
1//T([0])
1%T([0])
T([1]).floor_divide_(0)
T([1]).remainder_(0)
T([1]).div_(0,rounding_mode='floor')
t.floor_divide(T([1,2]),T([1,0]))
t.remainder(T([1],dtype=t.uint8),T([0],dtype=t.uint8))
t.div(T([1]),T([0]))
t.div(T([1]),0.0,rounding_mode='floor')
t.remainder(T([True]),T([False]))
T([5])//T([],dtype=t.int64)
t.reciprocal(T([0]))
t.where(T([True,False]),T([True,True]),.5)
t.where(T([True,False]),2,T([True,True]))
t.where(T([True,False]),T([3,4]),.5)
T([1.,2.]).as_strided((0,3),(2**62,1))
T([1.,2.]).as_strided((3,0),(2**62,1)).sum()
"""


@pytest.mark.parametrize("line", calls(CALLS))
def test_a_call_gives_what_torch_gives(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert outcome(tg, lambda lib: evaluate(lib, line)) == outcome(torch, lambda lib: evaluate(lib, line))
