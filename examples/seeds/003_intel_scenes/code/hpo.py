"""Intel scenes (6 classes): a fine-tuned EfficientNet, tuned over batch_size, epoch, lr and Adam's eps.

One channel `training` with seg_train/ and seg_test/. The network is EfficientNet-B7 as in the original work; `--model`
takes any other of the family, for machines without a GPU.
"""

import argparse
import json
import logging
import os
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from PIL import ImageFile
from torchvision import datasets, models, transforms
from tqdm import tqdm

ImageFile.LOAD_TRUNCATED_IMAGES = True

logging.basicConfig(stream=sys.stdout, level=logging.INFO)
logger = logging.getLogger(__name__)


def test(model, test_loader, criterion, device):
    model.eval()
    running_loss = 0
    running_corrects = 0
    with torch.no_grad():
        for inputs, labels in test_loader:
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            running_loss += criterion(outputs, labels).item() * inputs.size(0)
            running_corrects += (outputs.argmax(dim=1) == labels).sum().item()
    total = len(test_loader.dataset)
    logger.info("Test set: Average loss: %.4f, Accuracy: %d/%d", running_loss / total, running_corrects, total)


def train(model, train_loader, criterion, optimizer, device, epoch):
    model.train()
    running_loss = 0.0
    for inputs, labels in tqdm(train_loader, desc=f"epoch {epoch}"):
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * inputs.size(0)
    logger.info("Epoch: %d, Train Loss: %.4f", epoch, running_loss / len(train_loader.dataset))


def net(name, num_classes):
    model = getattr(models, name)(pretrained=True)
    for param in model.features[:-1].parameters():
        param.requires_grad = False
    num_features = model.classifier[1].in_features
    model.classifier[1] = nn.Sequential(nn.Linear(num_features, 128), nn.ReLU(), nn.Linear(128, num_classes))
    return model


def create_data_loaders(data, image_size, batch_size):
    train_transform = transforms.Compose([
        transforms.Resize((image_size, image_size)),
        transforms.RandomHorizontalFlip(p=0.5),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    test_transform = transforms.Compose([
        transforms.Resize((image_size, image_size)),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    train_set = datasets.ImageFolder(os.path.join(data, "seg_train"), transform=train_transform)
    test_set = datasets.ImageFolder(os.path.join(data, "seg_test"), transform=test_transform)
    return (
        torch.utils.data.DataLoader(train_set, batch_size=batch_size, shuffle=True),
        torch.utils.data.DataLoader(test_set, batch_size=batch_size),
    )


def save_model(model, args, classes):
    torch.save(model.cpu().state_dict(), os.path.join(args.model_dir, "model.pth"))
    with open(os.path.join(args.model_dir, "model.json"), "w") as stream:
        json.dump({"model": args.model, "image_size": args.image_size, "classes": classes}, stream)


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch_size", type=int, default=128, metavar="N")
    parser.add_argument("--epoch", type=int, default=5, metavar="N")
    parser.add_argument("--lr", type=float, default=0.001, metavar="LR")
    parser.add_argument("--eps", type=float, default=1e-8, metavar="EPS")
    parser.add_argument("--model", type=str, default="efficientnet_b7")
    parser.add_argument("--image_size", type=int, default=150)
    parser.add_argument("--data", type=str, default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--num_gpus", type=int, default=int(os.environ["SM_NUM_GPUS"]))
    parser.add_argument("--hosts", type=list, default=json.loads(os.environ["SM_HOSTS"]))
    parser.add_argument("--current_host", type=str, default=os.environ["SM_CURRENT_HOST"])
    return parser.parse_args()


def main(args):
    logger.info("lr %s, eps %s, batch_size %s, epoch %s", args.lr, args.eps, args.batch_size, args.epoch)
    device = torch.device("cuda" if args.num_gpus > 0 and torch.cuda.is_available() else "cpu")
    train_loader, test_loader = create_data_loaders(args.data, args.image_size, args.batch_size)
    model = net(args.model, len(train_loader.dataset.classes)).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=args.lr, eps=args.eps)
    for epoch in range(1, args.epoch + 1):
        train(model, train_loader, criterion, optimizer, device, epoch)
        test(model, test_loader, criterion, device)
    save_model(model, args, train_loader.dataset.classes)


if __name__ == "__main__":
    main(parse_args())
