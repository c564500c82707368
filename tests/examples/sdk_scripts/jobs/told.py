"""A training script that prints what it was told, and a loss for each epoch."""

import argparse
import json
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--batch-size", type=int, default=1)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--model_name", type=str, default="")
parser.add_argument("--learningRate", type=str, default="")
parser.add_argument("--fail", type=str, default="False")
args, unknown = parser.parse_known_args()

print("arguments", json.dumps(sys.argv[1:]))
print("host", os.environ["SM_CURRENT_HOST"], "of", os.environ["SM_HOSTS"], "on", os.environ["SM_CURRENT_INSTANCE_TYPE"])
print("channels", os.environ["SM_CHANNELS"])
print("hook", os.path.exists(os.environ.get("SMDEBUG_CONFIG_FILE_PATH", "/nowhere")))
if args.fail == "True":
    raise ValueError("the loss is not a number\nreally")
for epoch in range(args.epochs):
    print(f"Epoch {epoch}\tTest set: Average loss: {args.lr + 1 / (epoch + 1):.4f}, Accuracy: 1/2 (50%)")
    print(f"INFO:__main__:Test set: Average loss: {args.lr + 1 / (epoch + 1):.4f}.", file=sys.stderr)
with open(os.path.join(os.environ["SM_MODEL_DIR"], f"model-{os.environ['SM_CURRENT_HOST']}.txt"), "w") as stream:
    stream.write("trained")
