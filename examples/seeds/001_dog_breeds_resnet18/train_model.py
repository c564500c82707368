"""The training of hpo.py with SageMaker Debugger's hook on the network and the loss.

On SageMaker the platform writes the hook's configuration; where there is none, the script trains without a hook.
"""

import argparse
import logging
import os
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from torchvision import datasets, models, transforms

try:
    import smdebug.pytorch as smd
except ImportError:
    smd = None

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)
logger.addHandler(logging.StreamHandler(sys.stdout))


def test(model, test_loader, criterion, device, hook):
    model.eval()
    if hook:
        hook.set_mode(smd.modes.EVAL)
    test_loss, correct = 0, 0
    with torch.no_grad():
        for inputs, labels in test_loader:
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            test_loss += criterion(outputs, labels).item() * inputs.size(0)
            correct += outputs.argmax(1).eq(labels).sum().item()
    test_loss /= len(test_loader.dataset)
    total = len(test_loader.dataset)
    accuracy = 100.0 * correct / total
    logger.info(f"\nTest set: Average loss: {test_loss:.4f}, Accuracy: {correct}/{total} ({accuracy:.0f}%)\n")


def train(model, train_loader, validation_loader, criterion, optimizer, epochs, device, hook):
    for epoch in range(epochs):
        model.train()
        if hook:
            hook.set_mode(smd.modes.TRAIN)
        for step, (inputs, labels) in enumerate(train_loader):
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            if step % 10 == 0:
                logger.info(f"Epoch {epoch} step {step} Train Loss: {loss.item():.4f}")
        logger.info(f"Epoch {epoch}: validation follows")
        test(model, validation_loader, criterion, device, hook)


def net(num_classes):
    model = models.resnet18(pretrained=True)
    for param in model.parameters():
        param.requires_grad = False
    model.fc = nn.Sequential(nn.Linear(model.fc.in_features, 256), nn.ReLU(), nn.Linear(256, num_classes))
    return model


def create_hook():
    if smd is None:
        return None
    try:
        return smd.Hook.create_from_json_file()
    except Exception as error:
        logger.info(f"Training without the debugger: {error}")
        return None


def main(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    loaders = [
        torch.utils.data.DataLoader(
            datasets.ImageFolder(folder, transform=transform), batch_size=args.batch_size, shuffle=folder == args.train
        )
        for folder in (args.train, args.valid, args.test)
    ]
    train_loader, validation_loader, test_loader = loaders

    model = net(len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.fc.parameters(), lr=args.lr)
    hook = create_hook()
    if hook:
        hook.register_hook(model)
        hook.register_loss(criterion)

    train(model, train_loader, validation_loader, criterion, optimizer, args.epochs, device, hook)
    test(model, test_loader, criterion, device, hook)
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
    main(parser.parse_args())
