"""What may stand between brackets: sequences, ranges, arrays, masks and their mixtures, read and written."""

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
t.ones(4,5)[range(3),T([1,2,3])]
t.ones(4,5)[range(3)]
t.arange(20).view(4,5)[range(1,4),T([1,2,3])]
t.arange(20).view(4,5)[range(1,4)]
t.arange(20).view(4,5)[:,range(1,4)]
t.arange(20).view(4,5)[[1,2]]
t.arange(20).view(4,5)[[1,2],[3,4]]
t.arange(20).view(4,5)[(1,2)]
t.arange(20).view(4,5)[[[1,2],[0,3]]]
t.arange(20).view(4,5)[[[1,2],[0,3]],]
t.arange(20).view(4,5)[([1,2],[0,3])]
t.arange(20).view(4,5)[[1,2],:]
t.arange(20).view(4,5)[:,[1,2]]
t.arange(20).view(4,5)[[True,False,True,False]]
t.arange(20).view(4,5)[[True,False,True,False],1]
t.arange(20).view(4,5)[np.array([1,2])]
t.arange(20).view(4,5)[np.array([1,2]),np.array([0,1])]
t.arange(20).view(4,5)[np.array([[1,2],[0,1]])]
t.arange(20).view(4,5)[np.array([True,False,True,False])]
t.arange(20).view(4,5)[np.arange(20).reshape(4,5)>7]
t.arange(20).view(4,5)[np.int64(2)]
t.arange(20).view(4,5)[np.int64(2),np.int32(1)]
t.arange(20).view(4,5)[np.array(2)]
t.arange(20).view(4,5)[np.array(2),1]
t.arange(20).view(4,5)[np.int64(1):np.int64(3)]
t.arange(20).view(4,5)[T(1):T(3)]
t.arange(20).view(4,5)[True]
t.arange(20).view(4,5)[False]
t.arange(20).view(4,5)[True,1]
t.arange(20).view(4,5)[None,...,1]
t.arange(20).view(4,5)[...,[1,2]]
t.arange(60).view(3,4,5)[[0,1],...,[1,2]]
t.arange(60).view(3,4,5)[[0,1],:,[1,2]]
t.arange(60).view(3,4,5)[:,[0,1],[1,2]]
t.arange(60).view(3,4,5)[0,:,[1,2]]
t.arange(60).view(3,4,5)[0,[1,2]]
t.arange(60).view(3,4,5)[[1,2],0]
t.arange(60).view(3,4,5)[[1,2],:,0]
t.arange(60).view(3,4,5)[...,range(2)]
t.arange(60).view(3,4,5)[None,[0,1]]
t.arange(60).view(3,4,5)[[0,1],None]
t.arange(60).view(3,4,5)[[0,1],None,[1,2]]
t.arange(60).view(3,4,5)[T([0,1]),None,1:3]
t.arange(60).view(3,4,5)[:,T([[0,1],[2,3]])]
t.arange(60).view(3,4,5)[1,...,T([0,1])]
t.arange(60).view(3,4,5)[t.ones(3,4,dtype=t.bool)]
t.arange(60).view(3,4,5)[t.ones(3,4,dtype=t.bool),[0]*12]
t.arange(60).view(3,4,5)[T([True,False,True])]
t.arange(60).view(3,4,5)[T([True,False,True]),T([1,2])]
t.arange(60).view(3,4,5)[:,T([True,False,True,True]),[0,1,2]]
t.arange(5)[T(2)]
t.arange(5)[T([2])]
t.arange(5)[T(2,dtype=t.int32)]
t.arange(5)[T(2,dtype=t.uint8)]
t.arange(5)[T([0,1,0,1,0],dtype=t.uint8)]
t.arange(5)[T([0,1],dtype=t.int8)]
t.arange(5)[T([0,1],dtype=t.int16)]
t.arange(5)[1.0]
t.arange(5)[T(1.0)]
t.arange(5)[[]]
t.arange(5)[()]
t.arange(5)[[1.0,2.0]]
t.arange(5)[[1,[2]]]
t.arange(5)[{1}]
t.arange(5)[::-1]
t.arange(5)[5]
t.arange(5)[-6]
t.arange(5)[[5]]
t.arange(5)[1,1]
t.arange(5)[[[1,2]]]
t.arange(5)[[slice(0,2)]]
t.arange(20).view(4,5)[[slice(0,2),1]]
t.arange(20).view(4,5)[[None]]
t.arange(20).view(4,5)[[...,1]]
t.arange(20).view(4,5)[[T(1),T(2)]]
t.arange(20).view(4,5)[[T(1),2]]
t.arange(20).view(4,5)[[np.int64(1),2]]
t.arange(20).view(4,5)[[T([1]),T([2])]]
t.arange(20).view(4,5)[[[1],[2]]]
t.arange(20).view(4,5)[[(1,2),(3,4)]]
t.arange(20).view(4,5)[((1,2),(3,4))]
t.arange(20).view(4,5)[(1,2),]
t.arange(20).view(4,5)[range(0)]
t.arange(20).view(4,5)[t.tensor(True)]
t.arange(20).view(4,5)[t.tensor([True]*3)]
t.arange(20).view(4,5)[t.ones(2,2,dtype=t.bool)]
t.tensor(5)[0]
t.tensor(5)[None]
t.tensor(5)[...]
t.tensor(5)[()]
t.tensor(5)[True]
t.tensor(5)[T(True)]
t.tensor(5)[[0]]
x=t.zeros(4,5);;x[range(3),T([1,2,3])]=1;;x
x=t.zeros(4,5);;x[range(3)]=1;;x
x=t.zeros(4,5);;x[[0,1]]=t.ones(5);;x
x=t.zeros(4,5);;x[[0,1],[2,3]]=T([7.,8.]);;x
x=t.zeros(4,5);;x[np.array([0,1])]=np.ones(5);;x
x=t.zeros(4,5);;x[np.int64(1)]=np.float64(3);;x
x=t.zeros(4,5);;x[np.int64(1),1:3]=[4,5];;x
x=t.zeros(4,5);;x[[True,False,True,False]]=2;;x
x=t.zeros(4,5);;x[np.arange(20).reshape(4,5)>7]=2;;x
x=t.zeros(4,5);;x[x==0]=T(3);;x
x=t.zeros(4,5);;x[x==0]=t.arange(20);;x
x=t.zeros(4,5);;x[x==0]=t.arange(20.);;x
x=t.zeros(4,5);;x[x==0]=t.arange(20.,dtype=t.float64);;x
x=t.zeros(4,5);;x[[0]]=t.arange(5);;x
x=t.zeros(4,5);;x[0]=t.arange(5);;x
x=t.zeros(4,5);;x[True]=1;;x
x=t.zeros(4,5);;x[False]=1;;x
x=t.zeros(4,5);;x[...,0]=1;;x
x=t.zeros(4,5);;x[None]=1;;x
x=t.zeros(4,5);;x[:,[0,1]]=T([[1.],[2.],[3.],[4.]]);;x
x=t.zeros(4,5);;x[...,range(2)]=1;;x
x=t.zeros(4,5);;x[(0,1)]=1;;x
x=t.zeros(4,5);;x[[(0,1),(2,3)]]=1;;x
x=t.zeros(4,5,dtype=t.int64);;x[0]=1.7;;x
x=t.zeros(4,5,dtype=t.int64);;x[[0]]=1.7;;x
x=t.zeros(4,5,dtype=t.bool);;x[0]=2;;x
x=t.zeros(4,5);;x[0]=True;;x
x=t.zeros(4,5);;x[[0],[0]]=True;;x
x=t.zeros(4,5);;x[0,:]=[1,2,3,4,5];;x
x=t.zeros(4,5);;x[0,:]=(1,2,3,4,5);;x
x=t.zeros(4,5);;x[0]=range(5);;x
x=t.zeros(4,5);;x[0]='a';;x
x=t.zeros(4,5);;x[0]=None;;x
x=t.zeros(4,5);;x[5]=1;;x
x=t.zeros(4,5);;x[[5]]=1;;x
x=t.zeros(4,5);;x[0]=t.ones(3);;x
x=t.zeros(4,5);;x[[0]]=t.ones(3);;x
x=t.zeros(4,5);;x[0]=t.ones(1,1,5);;x
x=t.zeros(4,5);;x[[0]]=t.ones(1,1,5);;x
x=t.zeros(3);;x[T(1)]=5;;x
x=t.zeros(3);;x[T([1,1])]=T([5.,6.]);;x
x=t.zeros(3);;x[t.arange(2)]=5;;x
x=t.zeros(3);;x[t.arange(2)]=T(5);;x
x=t.zeros(3);;x[[0,1]]=T(5,dtype=t.float64);;x
x=t.tensor(1.);;x[...]=2;;x
x=t.tensor(1.);;x[()]=2;;x
x=t.tensor(1.);;x[None]=2;;x
x=t.zeros(3,4,5);;x[[0,1],:,[1,2]]=t.ones(2,4);;x.sum((1))
x=t.zeros(3,4,5);;x[0,:,[1,2]]=t.arange(8.).view(2,4);;x[0]
x=t.zeros(3,4,5);;x[:,0,[1,2]]=t.arange(6.).view(3,2);;x[:,0]
x=t.zeros(3,4,5);;x[[0,2],None]=1;;x.sum()
t.randn(3,4)[t.arange(3)].shape
t.arange(20).view(4,5)[t.arange(2):t.arange(4)]
t.arange(20).view(4,5)[1:2.5]
t.arange(20).view(4,5)[0:3:0]
(t.arange(20)+0).view(4,5)[range(3),[1,2,3]]
(t.arange(20)+0).view(4,5)[[1,2]]
(t.arange(20)+0).view(4,5)[np.array(1)]
(t.arange(20)+0).view(4,5)[t.arange(2)]
(t.arange(60)+0).view(3,4,5)[0,:,[1,2]]
(t.arange(60)+0).view(3,4,5)[[1,2],:,0]
(t.arange(60)+0).view(3,4,5)[[1,2],0]
(t.arange(60)+0).view(3,4,5)[[0,1],:,[1,2]]
T([[1,2],[3,4]])[0,:,None]
T([[1,2,3],[3,4,5]])[0,[1,2]]
T(np.arange(60).reshape(3,4,5))[0,:,[1,2]]
T(np.arange(60).reshape(3,4,5))[[1,2],:,0]
T(np.arange(60).reshape(3,4,5))[[0,1],:,[1,2]]
T(np.arange(60).reshape(3,4,5))[[0,1],None,[1,2]]
T(np.arange(60).reshape(3,4,5))[:,0,[1,2]]
T(np.arange(60).reshape(3,4,5))[[7]]
T(np.arange(60).reshape(3,4,5))[T([7])]
T(np.arange(60).reshape(3,4,5))[T([0],dtype=t.uint8)]
T(np.arange(3))[T([0,1,1],dtype=t.uint8)]
T(np.arange(3))[T([True,False])]
# what a tensor of data becomes before it indexes
T(2).to(t.float32).shape
T(2).float()
T(2).to('cpu').shape
T(2.5).long()
T(2).bool()
T(2.).to(t.bfloat16)
T(2.,dtype=t.bfloat16).float()
T([2.5,1.],dtype=t.bfloat16)
T([2.5,1.],dtype=t.bfloat16)[0].item()
"""


@pytest.mark.parametrize("line", calls(CALLS))
def test_a_call_gives_what_torch_gives(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert outcome(tg, lambda lib: evaluate(lib, line)) == outcome(torch, lambda lib: evaluate(lib, line))
