"""Arguments under their other names, NumPy's among them, and overloads that take a value or a tensor."""

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
t.zeros(3).scatter_(0,T([1]),value=1)
t.zeros(3).scatter_(0,T([1]),1)
t.zeros(3).scatter_(0,T([1]),1.)
t.zeros(3).scatter_(0,T([1]),T([5.]))
t.zeros(3).scatter_(0,T([1]),src=T([5.]))
t.zeros(3).scatter_(dim=0,index=T([1]),src=T([5.]))
t.zeros(3).scatter_(dim=0,index=T([1]),value=5)
t.scatter(t.zeros(3),0,T([1]),1.)
t.scatter(t.zeros(3),0,T([1]),value=1.)
t.scatter(t.zeros(3),0,T([1]),src=T([1.]))
t.ones(3).scatter(0,T([1]),2.,reduce='add')
t.ones(3).scatter(0,T([1]),2.,reduce='multiply')
t.ones(3).scatter_(0,T([1]),2.,reduce='multiply')
t.ones(3).scatter(0,T([1]),value=2.,reduce='add')
t.ones(3).scatter_reduce(0,T([1]),T([2.]),'sum')
t.ones(3).scatter_add(0,T([1]),T([2.]))
t.ones(3).index_fill(0,T([1]),5)
t.ones(3).index_fill(0,T([1]),value=5)
t.ones(3).index_fill(0,T([1]),value=T(5.))
t.ones(3).index_fill_(0,T([1]),T(5.))
t.ones(3).masked_fill(T([True,False,True]),value=5)
t.ones(3).masked_fill(T([True,False,True]),value=T(5.))
t.ones(3).masked_fill_(mask=T([True,False,True]),value=5)
t.ones(3).fill_(T(5.))
t.ones(3).fill_(value=5)
t.full((2,),fill_value=5)
t.full(size=(2,),fill_value=5)
t.clamp(t.ones(3),min=T(2.))
t.clamp(t.ones(3),max=0)
t.ones(3).clamp_(max=T(.5))
t.where(T([True,False]),1,2)
t.where(T([True,False]),T(1),2.)
t.where(condition=T([True,False]),input=T([1,2]),other=0)
t.pow(T(2.),T(2.))
t.pow(2,exponent=T(2.))
t.eq(T(2.),2)
t.eq(T(2.),other=2)
t.add(T(1),other=2)
t.add(input=T(1),other=2)
t.add(T(1),2)
t.sub(T(1),other=2,alpha=2)
t.mul(T(1),other=2)
t.div(T(1),other=2,rounding_mode='floor')
t.remainder(5,T(3))
t.fmod(T(5),other=3)
t.maximum(T(1),2)
t.lerp(T(1.),T(2.),weight=.5)
t.lerp(T(1.),T(2.),T(.5))
t.repeat_interleave(T([1,2]),repeats=2)
t.repeat_interleave(T([1,2]),T([1,2]))
t.std(T([1.,2.]),unbiased=False)
t.std(T([1.,2.]),False)
t.std(T([1.,2.]),0)
t.var(T([1.,2.]),0,correction=0)
t.var(T([1.,2.]),dim=0,unbiased=False,keepdim=True)
t.norm(T([1.,2.]),p=1)
t.norm(T([1.,2.]),1,0)
t.norm(T([1.,2.]),dim=0)
t.max(T([1.,2.]),0)
t.max(T([1.,2.]),dim=0)
t.max(T([1.,2.]),other=T(1.5))
t.sort(T([2.,1.]),descending=True)
t.sort(T([2.,1.]),0,True)
t.sort(T([2.,1.]),stable=True)
t.argsort(T([2.,1.]),descending=True)
t.topk(T([2.,1.]),1,largest=False)
t.split(t.ones(4),split_size_or_sections=2)
t.split(t.ones(4),2)
t.ones(4).split(split_size=2)
t.ones(2,3).transpose(dim0=0,dim1=1).shape
t.transpose(t.ones(2,3),0,1).shape
t.ones(2,3).permute(dims=(1,0)).shape
t.ones(2,3).permute((1,0)).shape
t.ones(2,3).permute(1,0).shape
t.flip(T([1,2]),dims=(0,))
T([1,2]).flip(0)
T([1,2]).flip((0,))
T([1,2]).roll(1)
T([[1,2]]).roll(shifts=1,dims=1)
T([1,2]).repeat(2,2)
T([1,2]).repeat((2,2))
T([1,2]).repeat(repeats=(2,))
T([1,2]).tile((2,))
T([1,2]).tile(2)
t.tile(T([1,2]),(2,))
T([1,2]).expand(2,-1)
T([1,2]).expand(size=(2,2))
T([1,2]).view(size=(2,1))
T([1,2]).reshape(shape=(2,1))
T([1,2]).unflatten(0,(2,1))
T([1,2]).squeeze()
T([[1]]).squeeze(0)
T([[1]]).squeeze((0,1))
t.narrow(T([1,2,3]),0,1,length=1)
t.narrow(T([1,2,3]),0,T(1),1)
t.index_select(T([1,2,3]),dim=0,index=T([1]))
t.gather(T([1,2,3]),dim=0,index=T([1]))
t.take(T([1,2,3]),index=T([1]))
t.cross(T([1.,0,0]),T([0.,1,0]),dim=0)
t.tensordot(t.ones(2,3),t.ones(3,2),dims=1)
t.tensordot(t.ones(2,3),t.ones(3,2),dims=([1],[0]))
t.diff(T([1,3]))
t.diff(T([1,3]),n=1)
t.cumsum(T([1,3]),dim=0)
t.bmm(t.ones(1,1,1),mat2=t.ones(1,1,1))
t.mm(t.ones(1,1),mat2=t.ones(1,1))
t.matmul(t.ones(1,1),other=t.ones(1,1))
t.dot(t.ones(1),tensor=t.ones(1))
t.outer(t.ones(1),vec2=t.ones(1))
t.sum(t.ones(2,2),axis=0)
t.sum(t.ones(2,2),axis=(0,1))
t.sum(t.ones(2,2),dim=0,keepdims=True)
t.sum(t.ones(2,2),axis=0,keepdims=True)
t.ones(2,2).sum(axis=0)
t.ones(2,2).mean(axis=1,keepdims=True)
t.ones(2,2).max(axis=1)
t.ones(2,2).max(axis=1,keepdims=True)
t.max(t.ones(2,2),axis=1)
t.ones(2,2).min(axis=0)
t.ones(2,2).std(axis=0)
t.ones(2,2).var(axis=0,keepdims=True)
t.std(t.ones(2,2),axis=0)
t.ones(2,2).argmax(axis=0)
t.ones(2,2).argmax(axis=0,keepdims=True)
t.ones(2,2).prod(axis=0)
t.ones(2,2).all(axis=0)
t.ones(2,2).any(axis=0,keepdims=True)
t.ones(2,2).cumsum(axis=0)
t.cumprod(t.ones(2,2),axis=0)
t.ones(2,2).softmax(axis=0)
t.softmax(t.ones(2,2),axis=0)
t.logsumexp(t.ones(2,2),axis=0)
t.ones(2,2).median(axis=0)
t.norm(t.ones(2,2),axis=0)
t.linalg.norm(t.ones(2,2),axis=0)
t.linalg.vector_norm(t.ones(2,2),axis=0)
t.cat([t.ones(1),t.ones(1)],axis=0)
t.concatenate([t.ones(1),t.ones(1)],axis=0)
t.stack([t.ones(1),t.ones(1)],axis=0)
t.ones(2,2).unsqueeze(axis=0).shape
t.squeeze(t.ones(1,2),axis=0).shape
t.split(t.ones(4),2,axis=0)
t.chunk(t.ones(4),2,axis=0)
t.unbind(t.ones(2),axis=0)
t.sort(t.ones(2),axis=0)
t.argsort(t.ones(2),axis=0)
t.topk(t.ones(2),1,axis=0)
t.index_select(T([1,2]),axis=0,index=T([1]))
t.gather(T([1,2]),axis=0,index=T([1]))
t.take_along_dim(T([1,2]),T([1]),axis=0)
t.repeat_interleave(T([1,2]),2,axis=0)
t.roll(T([1,2]),1,axis=0)
t.amax(t.ones(2,2),axis=0)
t.count_nonzero(t.ones(2,2),axis=0)
t.quantile(t.ones(2,2),.5,axis=0)
t.diff(T([1,2]),axis=0)
t.logcumsumexp(t.ones(2),axis=0)
t.unflatten(t.ones(2),axis=0,sizes=(2,1))
t.swapaxes(t.ones(2,3),0,1).shape
t.swapaxes(t.ones(2,3),axis0=0,axis1=1).shape
t.moveaxis(t.ones(2,3),0,1).shape
t.sin(x=T(0.))
t.add(x=T(1),x2=T(2))
t.add(x1=T(1),x2=T(2))
t.mul(T(1),x2=T(2))
t.sum(x=t.ones(2))
t.sum(a=t.ones(2))
t.matmul(x1=t.ones(2),x2=t.ones(2))
t.maximum(x1=T(1),x2=T(2))
t.abs(x=T(-1))
t.exp(input=T(0.))
t.clip(t.ones(2),min=2)

# what stands in more places than one, and constants
t.inf,t.nan,t.pi,t.e
t.ones(2)[:,t.newaxis]
t.repeat_interleave(T([2,0,3]))
t.bitwise_and(3,T([1,2,5]))
t.bitwise_left_shift(1,T([1,2]))
3 >> T([1,2])
t.xlogy(T([0.,1.,2.]),2)
t.xlogy(T([0.,1.,2.]),0)
t.xlogy(2,T([1.,2.]))
F.relu(T([-1.,1.]),True)
F.leaky_relu(T([-1.,1.]),.1,True)
F.threshold(T([-1.,1.]),.1,20,True)
F.hardtanh(T([-1.,1.]),-.5,.5,True)
F.dropout(T([-1.,1.]),.0,True,True)
nn.MSELoss(False)(t.ones(2),t.zeros(2))
nn.MSELoss(reduce=False)(t.ones(2),t.zeros(2))
nn.MSELoss()(input=t.ones(2),target=t.zeros(2))
nn.CrossEntropyLoss(T([1.,2.]))(t.zeros(2,2),T([0,1]))
nn.TripletMarginLoss(1.,2.)(t.ones(1,2),t.ones(1,2),t.zeros(1,2))
t.where(T([True]),1.,2)
t.logsumexp(t.arange(3),0)
t.ones(2,0).logsumexp(1)
t.take(t.ones(2,3),T([5,-6]))
T([-1],dtype=t.uint8)
T([-255],dtype=t.uint8)
T([2**40],dtype=t.bool)

# the default generator
t.manual_seed(5).initial_seed()
g=t.manual_seed(5);;t.rand(2,generator=g)
t.default_generator.manual_seed(7);;t.rand(2)
t.manual_seed(5);;x=t.default_generator.get_state();;t.rand(5);;t.default_generator.set_state(x);;t.rand(2)
t.manual_seed(3);;nn.init.trunc_normal_(t.empty(50))
t.manual_seed(3);;nn.init.trunc_normal_(t.empty(50),0,1,1.5,2)
t.manual_seed(3);;nn.init.trunc_normal_(t.empty(4,5),10.)
"""


@pytest.mark.parametrize("line", calls(CALLS))
def test_a_call_gives_what_torch_gives(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert outcome(tg, lambda lib: evaluate(lib, line)) == outcome(torch, lambda lib: evaluate(lib, line))


REFUSED = """
t.sum(t.ones(2, 2), 0, axis=0)
t.sum(t.ones(2, 2), dim=0, axis=0)
t.sum(t.ones(2), bad=0)
t.sin(T(0.0), 1)
t.sin(T(0.0), T(1.0))
t.sin()
t.sin(y=T(0.0))
t.gather(T([1]), 0)
t.mul(T(1))
t.ones(2).mul()
T(1).exp(2)
t.softmax(t.ones(2))
t.ones(3).scatter(0, T([1]))
"""


@pytest.mark.parametrize("line", calls(REFUSED))
def test_what_is_missing_unknown_or_given_twice_is_a_type_error(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    for lib in (tg, torch):
        with pytest.raises(TypeError):
            evaluate(lib, line)


def test_a_parameter_may_be_called_as_what_records_it() -> None:
    for _ in range(2):  # the second call is one that is known
        assert tg.diff(tg.tensor([1, 3]), append=tg.tensor([7])).tolist() == [2, 4]


def test_other_names_are_part_of_the_table() -> None:
    from telegrad_protocol.spec import OPS

    x = tg.ones(2, 2)
    assert OPS["sum"].bind(a=x, axis=1, keepdims=True) == (x, 1, True, None)
    assert OPS["cdist"].aliases == {}  # its own x1 and x2
