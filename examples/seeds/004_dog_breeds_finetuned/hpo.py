"""Dog breeds (133 classes): a ResNet-18 fine-tuned in all its layers, tuned over lr, batch_size and epochs.

One channel `training` with train/, valid/ and test/. The tuner reads "Testing Loss: ..." from the log, which goes to
stdout and to stderr.
"""

import argparse
import copy
import logging
import os
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from PIL import ImageFile
from torchvision import datasets, models, transforms

ImageFile.LOAD_TRUNCATED_IMAGES = True
logging.basicConfig(level=logging.INFO)                                 # to stderr
logger = logging.getLogger(__name__)
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
    train_data = datasets.ImageFolder(os.path.join(data, "train"), transform=train_transform)
    valid_data = datasets.ImageFolder(os.path.join(data, "valid"), transform=test_transform)
    test_data = datasets.ImageFolder(os.path.join(data, "test"), transform=test_transform)
    return (
        torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True),
        torch.utils.data.DataLoader(valid_data, batch_size=batch_size),
        torch.utils.data.DataLoader(test_data, batch_size=batch_size),
    )


def run_epoch(model, loader, criterion, device, optimizer=None):
    """One pass over the images, learning where there is an optimizer; the mean loss and how many were right."""
    model.train(optimizer is not None)
    loss_sum, correct = 0.0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for inputs, labels in loader:
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * inputs.size(0)
            correct += (outputs.argmax(dim=1) == labels).sum().item()
    return loss_sum / len(loader.dataset), correct


def main(args):
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    logger.info(f"Running on Device {device}")
    train_loader, valid_loader, test_loader = create_data_loaders(args.data, args.batch_size)
    model = net(len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)

    logger.info("Start Model Training")
    best_loss, best_weights = float("inf"), None
    for epoch in range(args.epochs):
        loss, correct = run_epoch(model, train_loader, criterion, device, optimizer)
        logger.info(f"Epoch {epoch},\t train loss: {loss:.4f}, acc: {correct / len(train_loader.dataset):.4f}")
        loss, correct = run_epoch(model, valid_loader, criterion, device)
        logger.info(f"Epoch {epoch},\t valid loss: {loss:.4f}, acc: {correct / len(valid_loader.dataset):.4f}")
        if loss < best_loss:
            best_loss, best_weights = loss, copy.deepcopy(model.state_dict())
    if best_weights is not None:
        model.load_state_dict(best_weights)

    logger.info("Testing Model")
    loss, correct = run_epoch(model, test_loader, criterion, device)
    total = len(test_loader.dataset)
    logger.info(f"Test set: Accuracy: {correct}/{total} = {100 * correct / total:.0f}%,\tTesting Loss: {loss}")
    logger.info("Saving Model")
    torch.save(model.cpu().state_dict(), os.path.join(args.model_dir, "model.pth"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--data", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    main(parser.parse_args())
