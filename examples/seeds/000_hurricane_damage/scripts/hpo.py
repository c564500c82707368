"""Hurricane damage in satellite images (2 classes): a small CNN from scratch, tuned over lr, batch_size and epochs.

A script as they are written for SageMaker: one channel `training` with train/, validation/ and test/, an image folder
each. The tuner reads "Test set: Average loss: ..." from what is printed.
"""

import argparse
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torchvision import datasets, transforms


class Net(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.dropout = nn.Dropout(0.3)
        self.fc1 = nn.Linear(64 * 8 * 8, 128)
        self.fc2 = nn.Linear(128, num_classes)

    def forward(self, x):                               # (batch, 3, 64, 64)
        x = self.pool(F.relu(self.conv1(x)))            # (batch, 16, 32, 32)
        x = self.pool(F.relu(self.conv2(x)))            # (batch, 32, 16, 16)
        x = self.pool(F.relu(self.conv3(x)))            # (batch, 64, 8, 8)
        x = torch.flatten(x, 1)
        x = self.dropout(F.relu(self.fc1(x)))
        return self.fc2(x)


def train(model, train_loader, validation_loader, criterion, optimizer, epochs, device):
    for epoch in range(1, epochs + 1):
        model.train()
        running_loss = 0.0
        for batch_idx, (data, target) in enumerate(train_loader):
            data, target = data.to(device), target.to(device)
            optimizer.zero_grad()
            loss = criterion(model(data), target)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * data.size(0)
            if batch_idx % 10 == 0:
                done = batch_idx * len(data)
                print(f"Train Epoch: {epoch} [{done}/{len(train_loader.dataset)}] Loss: {loss.item():.6f}")
        print(f"Epoch {epoch}: train loss {running_loss / len(train_loader.dataset):.4f}")
        evaluate(model, validation_loader, criterion, device, "Validation set")


def evaluate(model, loader, criterion, device, name):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += criterion(output, target).item() * data.size(0)
            correct += (output.argmax(dim=1) == target).sum().item()
    total = len(loader.dataset)
    print(f"{name}: Average loss: {loss / total:.4f}, Accuracy: {correct}/{total} ({100.0 * correct / total:.0f}%)")


def create_data_loader(folder, batch_size, train=False):
    steps = [transforms.Resize((64, 64))]
    if train:
        steps.append(transforms.RandomHorizontalFlip(p=0.5))
    steps += [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    dataset = datasets.ImageFolder(folder, transform=transforms.Compose(steps))
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=train)


def main(args):
    print(f"Hyperparameters: lr={args.lr} batch_size={args.batch_size} epochs={args.epochs}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"Running on {device}")
    train_loader = create_data_loader(os.path.join(args.data_dir, "train"), args.batch_size, train=True)
    validation_loader = create_data_loader(os.path.join(args.data_dir, "validation"), args.batch_size)
    test_loader = create_data_loader(os.path.join(args.data_dir, "test"), args.batch_size)

    model = Net(num_classes=len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    train(model, train_loader, validation_loader, criterion, optimizer, args.epochs, device)
    evaluate(model, test_loader, criterion, device, "Test set")

    path = os.path.join(args.model_dir, "model.pth")
    torch.save(model.cpu().state_dict(), path)
    print(f"Saved the model to {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--data_dir", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--output_dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    main(parser.parse_args())
