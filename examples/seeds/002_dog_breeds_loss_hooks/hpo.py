"""Dog breeds (133 classes): a frozen ResNet-50 with a new head, tuned over learning_rate and batch_size.

One channel `training` with train/, valid/ and test/. The tuner reads "Test set: Average loss: ...".
"""

import argparse
import os

import torch
import torch.nn as nn
import torch.optim as optim
import torchvision
from PIL import ImageFile
from torchvision import transforms

ImageFile.LOAD_TRUNCATED_IMAGES = True                  # one of the photographs ends too early


def net(name, classes):
    model = getattr(torchvision.models, name)(pretrained=True)
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model


def loader(folder, batch_size, training=False):
    chosen = [transforms.RandomHorizontalFlip()] if training else []
    steps = [transforms.Resize(256), transforms.CenterCrop(224), *chosen, transforms.ToTensor()]
    steps.append(transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    dataset = torchvision.datasets.ImageFolder(root=folder, transform=transforms.Compose(steps))
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=training)


def train(model, train_loader, loss_fn, optimizer, device, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = loss_fn(model(data), target)
        loss.backward()
        optimizer.step()
        print(f"Train Epoch: {epoch} [{batch_idx + 1}/{len(train_loader)}]\tLoss: {loss.item():.6f}")


def test(model, test_loader, loss_fn, device):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += loss_fn(output, target).item() * len(data)
            correct += output.argmax(dim=1).eq(target).sum().item()
    total = len(test_loader.dataset)
    print(f"\nTest set: Average loss: {loss / total:.4f}, Accuracy: {correct}/{total} ({100 * correct / total:.0f}%)\n")


def main(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader = loader(os.path.join(args.data_dir, "train"), args.batch_size, training=True)
    test_loader = loader(os.path.join(args.data_dir, "test"), args.batch_size)
    model = net(args.model, len(train_loader.dataset.classes)).to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.fc.parameters(), lr=args.learning_rate)
    for epoch in range(1, args.epochs + 1):
        train(model, train_loader, loss_fn, optimizer, device, epoch)
        test(model, test_loader, loss_fn, device)
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
