"""Mistakes that a type checker has to find, one a line, each marked with what mypy calls it; never run."""

import telegrad as torch
import telegrad.nn.functional as F
from telegrad import nn, optim
from telegrad.utils.data import DataLoader, TensorDataset

t = torch.tensor([1.0, 2.0])
t.summ()  # E: attr-defined
t.shpae  # E: attr-defined
t.grad.zero_()  # E: union-attr
t + "one"  # E: operator
t @ 2  # E: operator
t < "one"  # E: operator
t["rows"]  # E: index
t.sum(dim="rows")  # E: arg-type
t.sum(dims=1)  # E: call-arg
t.view("2")  # E: arg-type
t.max(dim=1).valeus  # E: attr-defined
t.add_(1).summ()  # E: attr-defined
t.to(torch.flaot32)  # E: attr-defined
(2 * t).summ()  # E: attr-defined
(t == t).summ()  # E: attr-defined
t.size(0).summ()  # E: attr-defined
length: str = t.size(0)  # E: assignment
first: str = t.shape[0]  # E: assignment
truth: bool = t == t  # E: assignment
torch.relux(t)  # E: attr-defined
torch.exp("one")  # E: arg-type
torch.exp(t, t)  # E: call-arg
torch.zeros(2, dtpye=torch.float32)  # E: call-overload
torch.zeros(2, dtype="float")  # E: call-overload
torch.tensor([1], requires_grad="yes")  # E: arg-type
torch.cat(t)  # E: arg-type
torch.randn(2, 3).summ()  # E: attr-defined
torch.stack([t, t]).summ()  # E: attr-defined
torch.where(t > 1, t, "none")  # E: call-overload
torch.topk(t, 1).value  # E: attr-defined
torch.manual_seed("one")  # E: arg-type
torch.device("cpu").name  # E: attr-defined
torch.cuda.is_availabel()  # E: attr-defined
torch.linalg.nrom(t)  # E: attr-defined
F.relux(t)  # E: attr-defined
F.relu(t, inplcae=True)  # E: call-arg
F.cross_entropy(t, t, reductoin="sum")  # E: call-arg
F.softmax(t, dim=0).summ()  # E: attr-defined
F.dropout(t, p="half")  # E: arg-type


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2, bais=False)  # E: call-arg
        self.act = nn.ReLU(inplcae=True)  # E: call-arg

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.fc(x).summ()  # E: attr-defined
        self.fc(3)  # E: arg-type
        self.act(x).summ()  # E: attr-defined
        return self.fc(x)


net = Net()
net(t).summ()  # E: attr-defined
net(t, t)  # E: call-arg
net.paramters()  # E: operator
net.to(3.5)  # E: call-overload
nn.Linear("2", 2)  # E: arg-type
nn.CrossEntropyLoss(wieght=t)  # E: call-arg
nn.CrossEntropyLoss()(net(t), t).backwards()  # E: attr-defined
nn.Liner(2, 2)  # E: attr-defined
nn.init.xavier_uniform(net.fc.weight)  # E: attr-defined
optim.Adam(net.parameters(), rl=0.1)  # E: call-arg
optim.Adam(net.parameters(), lr="fast")  # E: arg-type
optim.Adam(net)  # E: arg-type
optim.lr_scheduler.StepLR(net, 1)  # E: arg-type
DataLoader(TensorDataset(t), batchsize=2)  # E: call-arg
DataLoader(TensorDataset(t), batch_size=2)[0]  # E: index


@torch.no_grad()
def evaluate(x: torch.Tensor) -> float:
    return float(x.sum())


evaluate(3)  # E: arg-type
evaluate(t).summ()  # E: attr-defined
