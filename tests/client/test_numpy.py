"""NumPy's numbers and arrays beside tensors, Python's types as dtypes, and what a tensor of data becomes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
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
np.float32(2)*t.ones(3)
t.ones(3)*np.float32(2)
np.float64(2)*t.ones(3)
t.ones(3)*np.float64(2)
np.int64(2)*t.ones(3)
np.int64(2)*t.ones(3,dtype=t.int64)
np.float64(2.5)*t.ones(3,dtype=t.int64)
t.ones(3,dtype=t.int64)*np.float64(2.5)
t.ones(3,dtype=t.int64)*np.float32(2.5)
t.ones(3,dtype=t.int64)+np.int32(1)
np.bool_(True)*t.ones(3)
t.ones(3)*np.bool_(True)
t.ones(3)+np.ones(3)
t.ones(3)-np.ones(3)
t.ones(3)/np.ones(3)
np.ones(3)/t.ones(3)
t.ones(3)**np.ones(3)
t.ones(2,2)@np.ones((2,2))
t.ones(3)==np.ones(3)
np.ones(3)==t.ones(3)
t.ones(3)==np.float32(1)
np.float32(1)==t.ones(3)
np.float32(1)<t.ones(3)
np.float64(1)-t.ones(3)
np.float64(1)/t.ones(3)
np.float64(2)**t.ones(3)
np.float64(2)//t.ones(3)
np.float64(2)%t.ones(3)
np.int64(7)//t.ones(3,dtype=t.int64)
np.sin(t.ones(3))
np.exp(t.ones(3,dtype=t.float64))
np.sqrt(t.ones(3))
np.add(t.ones(3),t.ones(3))
np.add(t.ones(3),1)
np.add(np.ones(3),t.ones(3))
np.multiply(t.ones(3),np.float32(2))
np.mean(t.ones(3))
np.sum(t.ones(3))
np.abs(t.ones(3))
np.array(t.ones(3))
np.array([t.ones(()),t.ones(())])
np.concatenate([t.ones(2),t.ones(2)])
np.stack([t.ones(2),t.ones(2)])
np.dot(t.ones(2),t.ones(2))
np.allclose(t.ones(3),t.ones(3))
np.isnan(t.ones(3))
np.where(t.ones(3)>0,1,2)
np.float32(t.tensor(2.))
float(t.tensor(2.))
x=t.ones(3);;x+=np.ones(3);;x
x=t.ones(3);;x*=np.float64(2);;x
t.add(t.ones(3),np.float32(2))
t.ones(3).add(np.float64(2))
t.sin(1.)
t.where(t.ones(3)>0,t.ones(3),np.float32(2))
t.clamp(t.ones(3),np.float32(2))
t.full((2,),np.float32(2))
t.full((2,),np.int64(2))
t.full((2,),np.float64(2))
t.full((np.int64(2),),1.)
t.zeros(np.int64(2))
t.zeros((np.int64(2),np.int32(1)))
t.arange(np.int64(3))
t.arange(np.float32(3))
t.arange(np.float64(3))
t.linspace(np.float32(0),np.float64(1),np.int64(3))
t.ones(2,3).sum(np.int64(0))
t.ones(2,3).reshape(np.int64(3),np.int64(2))
t.ones(2,3).view(np.int64(3),-1)
t.ones(2,3).permute(*np.array([1,0]))
t.tensor([np.float32(1),2])
t.tensor([1,np.float32(2)])
t.tensor([np.float64(1),2])
t.tensor([1.,np.float32(2)])
t.tensor([np.int32(1),2])
t.tensor([np.int64(1),2.])
t.tensor([np.int32(1),np.int32(2)])
t.tensor([np.float32(1),np.float32(2)])
t.tensor([np.float16(1),np.float16(2)])
t.tensor([np.float32(1),np.float64(2)])
t.tensor([[np.float32(1)],[2]])
t.tensor([np.bool_(True),False])
t.tensor([True,np.int64(1)])
t.tensor([True,1])
t.tensor([True,1.])
t.tensor([True,2])
t.tensor([1,2.])
t.tensor([[1,2],[3,4.]])
t.tensor([[True],[2]])
t.tensor(np.float32(1))
t.tensor(np.float64(1))
t.tensor(np.int8(1))
t.tensor(np.bool_(True))
t.tensor(np.array(1.))
t.tensor([t.tensor(1),t.tensor(2)])
t.tensor([t.tensor(1.),t.tensor(2)])
t.tensor([t.tensor(1.,dtype=t.float64),2])
t.tensor([t.tensor(1,dtype=t.int32),2])
t.tensor([t.tensor([1.]),t.tensor([2.])])
t.tensor([t.tensor(True),t.tensor(False)])
t.tensor((1,(2)))
t.tensor(range(3))
t.tensor([range(2),range(2)])
t.tensor([])
t.tensor([[],[]])
t.tensor(())
t.tensor(True)
t.tensor(1)
t.tensor(1.)
t.tensor(2**40)
t.tensor(2**70)
t.tensor([2**63])
t.tensor(-2**63)
t.tensor(1e400)
t.tensor('a')
t.tensor(['a'])
t.tensor(None)
t.tensor([None])
t.tensor({1})
t.tensor({'a':1})
t.tensor([[1],[2,3]])
t.tensor([[1,2],3])
t.tensor([1,[2]])
t.tensor(1,dtype=float)
t.tensor(1,dtype=int)
t.tensor(1.5,dtype=int)
t.tensor(2,dtype=bool)
t.tensor([1,2],dtype=float)
t.zeros(2,dtype=float)
t.zeros(2,dtype=int)
t.zeros(2,dtype=bool)
t.ones(2).to(float)
t.ones(2).to(int)
t.ones(2).to(dtype=bool)
t.ones(2).sum(dtype=float)
t.ones(2,dtype=int).sum(dtype=int)
t.cumsum(t.ones(2),0,dtype=float)
t.arange(3,dtype=float)
t.full((2,),1,dtype=float)
t.eye(2,dtype=int)
t.linspace(0,1,3,dtype=float)
t.rand(2,dtype=float).dtype
t.randint(3,(2,),dtype=float).dtype
t.randperm(3,dtype=int).dtype
t.ones_like(t.ones(2),dtype=int)
t.full_like(t.ones(2),3,dtype=int)
t.rand_like(t.ones(2),dtype=float).dtype
t.ones(2).new_zeros(2,dtype=int)
t.ones(2).new_tensor([1],dtype=float)
t.as_tensor([1],dtype=float)
t.softmax(t.ones(2),0,dtype=float)
F.softmax(t.ones(2),0,dtype=float)
t.mean(t.ones(2),dtype=float)
t.prod(t.ones(2),dtype=float)
nn.Linear(2,2,dtype=float).weight.dtype
nn.Linear(2,2).to(float).weight.dtype
t.ones(2).dtype==float
t.zeros(2,dtype=None)
t.result_type(t.ones(2),np.float64(1))
t.as_tensor(np.ones(2))
t.as_tensor(np.float32(1))
t.from_numpy(np.ones(2))
t.from_numpy([1])
t.Tensor([1,2])
t.Tensor(np.ones(2))
t.isclose(t.ones(2),t.ones(2))
round(t.tensor(2.567),1)
round(t.tensor(2.5))
divmod(t.tensor(7),2)
math.floor(t.tensor(2.5))
abs(t.tensor(-1))
int(t.tensor(2.7))
t.tensor(3).__index__()
[1,2,3][t.tensor(1)]
range(t.tensor(3))
t.ones(3)[np.array([True,False,True])]
max(t.tensor([1,3,2]))
sum(t.ones(3))
t.ones(3).numpy().dtype
t.ones(2,dtype=t.bfloat16).float().numpy()
t.tensor(np.ones(2))+1
np.float64(2)*t.tensor(2.)
t.tensor(2.)*np.float64(2)
t.nn.Parameter(t.ones(2))*np.float32(2)
np.float32(2)*t.nn.Parameter(t.ones(2))
"""


@pytest.mark.parametrize("line", calls(CALLS))
def test_a_call_gives_what_torch_gives(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert outcome(tg, lambda lib: evaluate(lib, line)) == outcome(torch, lambda lib: evaluate(lib, line))


ARRAYS_FIRST = """
np.ones(3) + t.ones(3)
np.ones(3) - t.ones(3, dtype=t.int64)
np.ones(3, dtype=np.float32) * t.ones(3)
np.ones((2, 2)) @ t.ones(2, 2)
np.ones(3) > t.ones(3)
1 + np.ones(2) + t.ones(2)
np.array(2.0) * t.ones(2)
"""


@pytest.mark.parametrize("line", calls(ARRAYS_FIRST))
def test_an_array_on_the_left_counts_as_on_the_right(line: str) -> None:
    """PyTorch refuses some of these with NumPy 2; the values and dtypes are NumPy's."""
    found = evaluate(tg, line)
    wanted = np.asarray(evaluate(tg, re.sub(r"t\.ones\((.*?)(, dtype=t\.(\w+))?\)", _of_numpy, line)))
    assert type(found) is tg.Tensor
    assert found.dtype.name == wanted.dtype.name
    assert found.tolist() == wanted.tolist()


def _of_numpy(found: re.Match[str]) -> str:
    return f"np.ones(({found[1]}), np.{found[3] or 'float32'})"


def test_gradients_flow_beside_numbers_and_arrays() -> None:
    x = tg.ones(3, requires_grad=True)
    (np.float32(2) * x * np.arange(3)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0, 4.0]
