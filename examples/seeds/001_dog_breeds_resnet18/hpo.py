"""Dog breeds (133 classes): a frozen, pre-trained ResNet-18 with a new head, tuned over lr, batch-size and epochs.

Three channels, `train`, `valid` and `test`. The objective is read from the log: "Testing Loss: ...".
"""

import argparse
import copy
import logging
import os
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from torchvision import datasets, models, transforms

logger = logging.getLogger(__name__)
logger.setLevel(logging.DEBUG)
logger.addHandler(logging.StreamHandler(sys.stdout))


def test(model, test_loader, criterion, device):
    model.eval()
    running_loss = 0.0
    running_corrects = 0
    for inputs, labels in test_loader:
        inputs, labels = inputs.to(device), labels.to(device)
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        _, preds = torch.max(outputs, 1)
        running_loss += loss.item() * inputs.size(0)
        running_corrects += torch.sum(preds == labels.data).item()

    total_loss = running_loss / len(test_loader.dataset)
    total_acc = running_corrects / len(test_loader.dataset)
    logger.info(f"Testing Loss: {total_loss}")
    logger.info(f"Testing Accuracy: {total_acc}")


def train(model, train_loader, validation_loader, criterion, optimizer, epochs, device):
    best_loss = 1e6
    best_weights = copy.deepcopy(model.state_dict())
    image_dataset = {"train": train_loader, "valid": validation_loader}
    for epoch in range(epochs):
        for phase in ["train", "valid"]:
            model.train(phase == "train")
            running_loss = 0.0
            running_corrects = 0
            for inputs, labels in image_dataset[phase]:
                inputs, labels = inputs.to(device), labels.to(device)
                outputs = model(inputs)
                loss = criterion(outputs, labels)
                if phase == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                _, preds = torch.max(outputs, 1)
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data).item()

            epoch_loss = running_loss / len(image_dataset[phase].dataset)
            epoch_acc = running_corrects / len(image_dataset[phase].dataset)
            if phase == "valid" and epoch_loss < best_loss:
                best_loss = epoch_loss
                best_weights = copy.deepcopy(model.state_dict())
            logger.info(
                f"Epoch {epoch},\t {phase} loss: {epoch_loss:.4f}, acc: {epoch_acc:.4f}, best loss: {best_loss:.4f}"
            )
    model.load_state_dict(best_weights)
    return model


def net(num_classes):
    model = models.resnet18(pretrained=True)
    for param in model.parameters():
        param.requires_grad = False
    num_features = model.fc.in_features
    model.fc = nn.Sequential(nn.Linear(num_features, 256), nn.ReLU(inplace=True), nn.Linear(256, num_classes))
    return model


def create_data_loaders(args):
    train_transform = transforms.Compose([
        transforms.RandomResizedCrop((224, 224)),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
    ])
    test_transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    train_data = datasets.ImageFolder(args.train, transform=train_transform)
    valid_data = datasets.ImageFolder(args.valid, transform=test_transform)
    test_data = datasets.ImageFolder(args.test, transform=test_transform)
    return (
        torch.utils.data.DataLoader(train_data, batch_size=args.batch_size, shuffle=True),
        torch.utils.data.DataLoader(valid_data, batch_size=args.batch_size),
        torch.utils.data.DataLoader(test_data, batch_size=args.batch_size),
    )


def main(args):
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    logger.info(f"Running on Device {device}")
    logger.info(f"Hyperparameters are LR: {args.lr}, Batch Size: {args.batch_size}, Epochs: {args.epochs}")
    train_loader, validation_loader, test_loader = create_data_loaders(args)

    model = net(len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.fc.parameters(), lr=args.lr)

    logger.info("Start Model Training")
    model = train(model, train_loader, validation_loader, criterion, optimizer, args.epochs, device)
    logger.info("Testing Model")
    test(model, test_loader, criterion, device)
    logger.info("Saving Model")
    torch.save(model.cpu().state_dict(), os.path.join(args.model_dir, "model.pth"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--valid", type=str, default=os.environ["SM_CHANNEL_VALID"])
    parser.add_argument("--test", type=str, default=os.environ["SM_CHANNEL_TEST"])
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--output-data-dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    args, _ = parser.parse_known_args()
    main(args)
