"""A short training with real smdebug's own hook, everything saved whole, and the weights reduced too."""

import sys

import smdebug.pytorch as smd
import torch

torch.manual_seed(0)
torch.set_num_threads(1)
network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
loss = torch.nn.CrossEntropyLoss()
every = smd.ReductionConfig(["min", "max", "mean", "std", "variance", "sum", "prod"], ["mean"], ["l1", "l2"], ["l2"],
                            save_raw_tensor=True)  # fmt: skip
hook = smd.Hook(sys.argv[1], save_all=True, save_config=smd.SaveConfig(save_interval=2))
hook.get_collection("weights").reduction_config = every       # of all, it would fail at the labels, which are integers
hook.register_module(network)
hook.register_loss(loss)
optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
for mode, steps in ((smd.modes.TRAIN, 5), (smd.modes.EVAL, 3)):
    hook.set_mode(mode)
    for _ in range(steps):
        error = loss(network(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
        if mode is smd.modes.TRAIN:
            optimiser.zero_grad()
            error.backward()
            optimiser.step()
            hook.save_scalar("rate", 0.1)
hook.close()
