"""Sizes that layers and functions of images take: PyTorch's rules for which are valid, and what comes out."""

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
F.conv_transpose1d(t.ones(1,1,3),t.ones(1,1,2),stride=2,dilation=3,output_padding=2)
F.conv_transpose1d(t.ones(1,1,3),t.ones(1,1,2),stride=2,dilation=3,output_padding=3)
F.conv_transpose1d(t.ones(1,1,3),t.ones(1,1,2),stride=3,dilation=1,output_padding=2)
F.conv_transpose1d(t.ones(1,1,3),t.ones(1,1,2),stride=1,output_padding=1)
F.conv_transpose1d(t.ones(1,1,3),t.ones(1,1,2),output_padding=-1)
F.conv_transpose2d(t.arange(9.).view(1,1,3,3),t.ones(1,1,2,2),stride=(2,1),dilation=(3,2),output_padding=(2,1))
F.conv_transpose2d(t.ones(1,1,3,3),t.ones(1,1,2,2),stride=(2,1),dilation=(3,2),output_padding=(2,2))
F.conv_transpose3d(t.ones(1,1,2,2,2),t.ones(1,1,2,2,2),stride=2,dilation=3,output_padding=2)
nn.ConvTranspose1d(1,1,2,stride=2,dilation=3,output_padding=2)(t.ones(1,1,3)).shape
nn.ConvTranspose2d(1,1,2,stride=2,output_padding=2)(t.ones(1,1,3,3)).shape
nn.ConvTranspose2d(1,1,3,stride=2)(t.ones(1,1,3,3),output_size=(8,8)).shape
nn.ConvTranspose2d(1,1,3,stride=2)(t.ones(1,1,3,3),output_size=[1,1,8,7]).shape
nn.ConvTranspose2d(1,1,3,stride=2)(t.ones(1,1,3,3),output_size=(9,9)).shape
x=t.arange(3.).view(1,1,3).requires_grad_();;w=t.ones(1,1,2,requires_grad=True);;y=F.conv_transpose1d(x,w,stride=2,dilation=3,output_padding=2);;(y*t.arange(10.)).sum().backward();;[x.grad,w.grad]
F.adaptive_avg_pool2d(t.arange(12.).view(1,1,3,4),(2,None))
F.adaptive_avg_pool2d(t.arange(12.).view(1,1,3,4),(None,2))
F.adaptive_avg_pool2d(t.arange(12.).view(1,1,3,4),(None,None))
F.adaptive_avg_pool2d(t.arange(12.).view(1,3,4),(2,None))
F.adaptive_avg_pool2d(t.arange(12.).view(1,1,3,4),[2,None])
F.adaptive_avg_pool2d(t.arange(12.).view(1,1,3,4),2)
F.adaptive_avg_pool2d(t.arange(12.).view(1,1,3,4),(2,))
F.adaptive_avg_pool3d(t.arange(24.).view(1,1,2,3,4),(None,2,None))
F.adaptive_avg_pool3d(t.arange(24.).view(1,1,2,3,4),(2,None))
F.adaptive_avg_pool1d(t.arange(4.).view(1,1,4),2)
F.adaptive_avg_pool1d(t.arange(4.).view(1,1,4),(2,))
F.adaptive_max_pool2d(t.arange(12.).view(1,1,3,4),(2,None))
F.adaptive_max_pool2d(t.arange(12.).view(1,1,3,4),(2,None),return_indices=True)
F.adaptive_max_pool2d(t.arange(12.).view(1,1,3,4),2,True)
F.adaptive_max_pool1d(t.arange(4.).view(1,1,4),2)
F.adaptive_max_pool1d(t.arange(4.).view(1,1,4),2,return_indices=True)
nn.AdaptiveAvgPool2d((2,None))(t.arange(12.).view(1,1,3,4))
nn.AdaptiveAvgPool2d((None,2))(t.arange(12.).view(1,1,3,4))
nn.AdaptiveAvgPool3d((None,2,None))(t.arange(24.).view(1,1,2,3,4))
nn.AdaptiveMaxPool2d((2,None))(t.arange(12.).view(1,1,3,4))
nn.AdaptiveMaxPool2d((2,None),return_indices=True)(t.arange(12.).view(1,1,3,4))
repr(nn.AdaptiveAvgPool2d((2,None)))
repr(nn.AdaptiveMaxPool2d((2,None)))
repr(nn.AdaptiveAvgPool2d(1))
t.adaptive_avg_pool1d(t.arange(4.).view(1,1,4),2)
x=t.arange(12.).view(1,1,3,4).requires_grad_();;F.adaptive_avg_pool2d(x,(2,None)).sum().backward();;x.grad
F.avg_pool2d(t.arange(16.).view(1,1,4,4),(2,))
F.max_pool2d(t.arange(16.).view(1,1,4,4),2,stride=None)
F.fold(t.ones(1,4,1),2,2)
F.unfold(t.ones(1,1,2,2),2)
"""


@pytest.mark.parametrize("line", calls(CALLS))
def test_a_call_gives_what_torch_gives(line: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert outcome(tg, lambda lib: evaluate(lib, line)) == outcome(torch, lambda lib: evaluate(lib, line))
