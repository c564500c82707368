"""Writes a log with real smdebug's own writer: every type that it has, two workers, modes, reductions, shapes."""

import sys

import numpy as np
from smdebug.core.access_layer.utils import training_has_ended
from smdebug.core.collection_manager import CollectionManager
from smdebug.core.modes import ModeKeys
from smdebug.core.reduction_config import ReductionConfig
from smdebug.core.save_config import SaveConfig
from smdebug.core.writer import FileWriter

root = sys.argv[1]
TYPES = ["float16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
         "bool", "complex64", "complex128"]  # fmt: skip

for number in range(2):
    worker = f"worker_{number}"
    manager = CollectionManager()
    manager.get("losses").include("loss")
    manager.get("losses").add_tensor_name("loss_output_0")
    manager.get("losses").save_config = SaveConfig(save_interval=7, end_step=100)
    manager.get("small").reduction_config = ReductionConfig(["min"], ["max"], ["l1"], ["l2"], save_shape=True)
    manager.set_num_workers(2)
    manager.export(root, f"{worker}_collections.json")
    for step in range(1, 2003, 500):
        mode = ModeKeys.EVAL if step == 501 else ModeKeys.TRAIN
        at = {"mode": mode, "mode_step": step // 500}
        writer = FileWriter(trial_dir=root, worker=worker, step=step, mode=mode)
        for name in TYPES:
            value = (np.arange(6).reshape(2, 3) % 2 + number).astype(name)
            writer.write_tensor(tdata=value, tname=f"typed/{name}", **at)
        writer.write_tensor(tdata=np.array(step, np.float32), tname="loss_output_0", **at)
        writer.write_tensor(tdata=np.array(["a", "bücher"]), tname="texts", **at)
        writer.write_tensor(tdata=np.zeros((0, 4), np.float32), tname="empty", **at)
        writer.write_tensor(tdata=np.float32(0.5), tname="smdebug/reductions/abs_mean/w:0", **at)
        writer.write_shape("shape_alone", (3, 4), mode, step // 500)
        writer.close()
training_has_ended(root)
