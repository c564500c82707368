"""The training of hpo.py with Debugger's hook, which saves what the rules want to see."""

import argparse
import logging
import os
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from PIL import ImageFile
from smdebug import modes
from smdebug.pytorch import get_hook
from torchvision import datasets, models, transforms

ImageFile.LOAD_TRUNCATED_IMAGES = True
logger = logging.getLogger(__name__)
logger.setLevel(logging.DEBUG)
logger.addHandler(logging.StreamHandler(sys.stdout))


def net(classes):
    model = models.resnet18(pretrained=True)
    model.fc = nn.Sequential(nn.Linear(model.fc.in_features, 256), nn.ReLU(), nn.Linear(256, classes))
    return model


def create_data_loaders(data, batch_size):
    train_transform = transforms.Compose(
        [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    test_transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    return [
        torch.utils.data.DataLoader(
            datasets.ImageFolder(os.path.join(data, split), train_transform if split == "train" else test_transform),
            batch_size=batch_size,
            shuffle=split == "train",
        )
        for split in ("train", "valid", "test")
    ]


def train(model, loader, criterion, optimizer, device, epoch):
    hook = get_hook(create_if_not_exists=True)
    if hook:
        hook.set_mode(modes.TRAIN)
    model.train()
    for step, (inputs, labels) in enumerate(loader):
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            logger.info(f"Epoch {epoch},\t step {step}, train loss: {loss.item():.4f}")


def test(model, loader, criterion, device, name):
    hook = get_hook(create_if_not_exists=True)
    if hook:
        hook.set_mode(modes.EVAL)
    model.eval()
    loss_sum, correct = 0.0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            loss_sum += criterion(outputs, labels).item() * inputs.size(0)
            correct += (outputs.argmax(dim=1) == labels).sum().item()
    total = len(loader.dataset)
    logger.info(f"{name}: Accuracy: {correct}/{total} = {100 * correct / total:.0f}%,\t{name} Loss: {loss_sum / total}")


def main(args):
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    train_loader, valid_loader, test_loader = create_data_loaders(args.data, args.batch_size)
    model = net(len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)

    hook = get_hook(create_if_not_exists=True)
    if hook:
        hook.register_hook(model)
        hook.register_loss(criterion)
    for epoch in range(args.epochs):
        train(model, train_loader, criterion, optimizer, device, epoch)
        test(model, valid_loader, criterion, device, "Validation")
    test(model, test_loader, criterion, device, "Testing")
    torch.save(model.cpu().state_dict(), os.path.join(args.model_dir, "model.pth"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--data", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    main(parser.parse_args())
