"""A folder of images as an index, its splits, its faults, its pixels.

In the order the data flows: `source` brings a location to this machine, `folder` and `manifest` read its layout into
a `dataset.Dataset`, `splits` sets images aside, `checks` and `duplicates` say what is wrong with it, `images` and
`transforms` turn bytes into pixels, `image_cache` keeps them, `batches` hands them out.
NumPy and Pillow only: nothing here imports torch.
"""
