"""The training of hpo.py, its loss recorded in each mode: training, validation and, at the end, the test.

What the hook saves beside the loss is what the job's configuration asks for. The network is saved whole, as it stands.
"""

import argparse
import os

import smdebug.pytorch as smd
import torch
import torch.nn as nn
import torch.optim as optim
import torchvision
from PIL import ImageFile
from torchvision import transforms

ImageFile.LOAD_TRUNCATED_IMAGES = True


def net(name, classes):
    model = getattr(torchvision.models, name)(pretrained=True)
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model


def create_data_loaders(data_dir, batch_size):
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    steps.append(transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    loaders = {}
    for split in ("train", "valid", "test"):
        dataset = torchvision.datasets.ImageFolder(os.path.join(data_dir, split), transforms.Compose(steps))
        loaders[split] = torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=split == "train")
    return loaders


def train(model, train_loader, loss_fn, optimizer, device, epoch, hook):
    model.train()
    hook.set_mode(smd.modes.TRAIN)
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = loss_fn(model(data), target)
        loss.backward()
        optimizer.step()
        if batch_idx % 10 == 0:
            print(f"Train Epoch: {epoch} [{batch_idx + 1}/{len(train_loader)}]\tLoss: {loss.item():.6f}")


def test(model, loader, loss_fn, device, hook, mode, name):
    model.eval()
    hook.set_mode(mode)
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += loss_fn(output, target).item() * len(data)
            correct += output.argmax(dim=1).eq(target).sum().item()
    total = len(loader.dataset)
    print(f"{name}: Average loss: {loss / total:.4f}, Accuracy: {correct}/{total} ({100 * correct / total:.0f}%)")


def main(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaders = create_data_loaders(args.data_dir, args.batch_size)
    model = net(args.model, len(loaders["train"].dataset.classes)).to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.fc.parameters(), lr=args.learning_rate)

    hook = smd.Hook.create_from_json_file()
    hook.register_hook(model)
    hook.register_loss(loss_fn)
    for epoch in range(1, args.epochs + 1):
        train(model, loaders["train"], loss_fn, optimizer, device, epoch, hook)
        test(model, loaders["valid"], loss_fn, device, hook, smd.modes.EVAL, "Validation set")
    test(model, loaders["test"], loss_fn, device, hook, smd.modes.PREDICT, "Test set")
    torch.save(model.cpu(), os.path.join(args.model_dir, "model.pth"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", type=float, default=0.001)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--model", type=str, default="resnet50")
    parser.add_argument("--data_dir", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    main(parser.parse_args())
