"""hpo.py with SageMaker Debugger's hook: the same data, network and arguments; the loss is recorded by mode."""

import logging
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from hpo import create_data_loaders, net, parse_args, save_model

try:
    from smdebug import modes
    from smdebug.pytorch import get_hook
except ImportError:
    modes = None

    def get_hook(create_if_not_exists=False):
        return None


logging.basicConfig(stream=sys.stdout, level=logging.INFO)
logger = logging.getLogger(__name__)


def run_epoch(model, loader, criterion, device, optimizer=None):
    """One pass; with an optimizer it trains. Returns the mean loss and the accuracy."""
    model.train(optimizer is not None)
    total_loss, correct = 0.0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for inputs, labels in loader:
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total_loss += loss.item() * inputs.size(0)
            correct += (outputs.argmax(dim=1) == labels).sum().item()
    return total_loss / len(loader.dataset), correct / len(loader.dataset)


def main(args):
    device = torch.device("cuda" if args.num_gpus > 0 and torch.cuda.is_available() else "cpu")
    train_loader, test_loader = create_data_loaders(args.data, args.image_size, args.batch_size)
    model = net(args.model, len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=args.lr, eps=args.eps)

    hook = get_hook(create_if_not_exists=True)
    if hook:
        hook.register_module(model)
        hook.register_loss(criterion)

    for epoch in range(1, args.epoch + 1):
        if hook:
            hook.set_mode(modes.TRAIN)
        loss, accuracy = run_epoch(model, train_loader, criterion, device, optimizer)
        logger.info("Epoch: %d, Train Loss: %.4f, Train Accuracy: %.4f", epoch, loss, accuracy)
        if hook:
            hook.set_mode(modes.EVAL)
        loss, accuracy = run_epoch(model, test_loader, criterion, device)
        logger.info("Test set: Average loss: %.4f, Accuracy: %.4f", loss, accuracy)
    save_model(model, args, train_loader.dataset.classes)


if __name__ == "__main__":
    main(parse_args())
