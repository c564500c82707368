"""The training of hpo.py with the best hyperparameters, watched by SageMaker Debugger's hook where there is one."""

import argparse
import json
import os

import torch
import torch.nn as nn
import torch.optim as optim
from hpo import Net, create_data_loader

try:
    import smdebug.pytorch as smd
except ImportError:
    smd = None


def train(model, loader, criterion, optimizer, device, epoch, hook):
    model.train()
    if hook:
        hook.set_mode(smd.modes.TRAIN)
    running_loss = 0.0
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * data.size(0)
    print(f"Epoch {epoch}: train loss {running_loss / len(loader.dataset):.4f}")


def test(model, loader, criterion, device, hook, name):
    model.eval()
    if hook:
        hook.set_mode(smd.modes.EVAL)
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += criterion(output, target).item() * data.size(0)
            correct += (output.argmax(dim=1) == target).sum().item()
    total = len(loader.dataset)
    print(f"{name}: Average loss: {loss / total:.4f}, Accuracy: {correct}/{total} ({100.0 * correct / total:.0f}%)")
    return {"loss": loss / total, "accuracy": correct / total}


def main(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaders = {
        split: create_data_loader(os.path.join(args.data_dir, split), args.batch_size, train=split == "train")
        for split in ("train", "validation", "test")
    }
    model = Net(num_classes=len(loaders["train"].dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)

    hook = smd.get_hook(create_if_not_exists=True) if smd else None
    if hook:
        hook.register_module(model)
        hook.register_loss(criterion)

    for epoch in range(1, args.epochs + 1):
        train(model, loaders["train"], criterion, optimizer, device, epoch, hook)
        test(model, loaders["validation"], criterion, device, hook, "Validation set")
    scores = test(model, loaders["test"], criterion, device, hook, "Test set")

    with open(os.path.join(args.output_dir, "scores.json"), "w") as stream:
        json.dump(scores, stream)
    torch.save(model.cpu().state_dict(), os.path.join(args.model_dir, "model.pth"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--data_dir", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--output_dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    main(parser.parse_args())
