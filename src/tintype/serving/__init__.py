"""A model archive behind HTTP, or asked directly.

    archive → predictor ← runtimes (ONNX Runtime, else torch)
    request bytes → content_types (read) → inputs → predictor → predictions → content_types (write) → answer bytes
    endpoints → process → `python -m tintype.serving` → server

Nothing here imports torch, except `torch_runtime`, and that only for an archive without an ONNX file.
"""
