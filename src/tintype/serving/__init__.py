"""A model archive behind HTTP, or asked directly.

    request bytes → content (read) → predictor ← runtimes ← archive
                                     predictor → content (write) → answer bytes

    content         what requests and answers are made of
    runtimes        what runs a network, and in which numbers
    workers         our own archive's processes: decoders, networks, and the front's view of them
    scripts         a user's inference script, in processes of its own
    front           the process that has the socket: HTTP, who is let in, and the supervisor that keeps it
    variants        what runs behind an endpoint, and the way of a request through it
    updates         how what runs becomes what is wanted
    watching        logs, metrics, capture, drift
    explanations    where in a picture a network looks
    pages           the endpoint's own page
    endpoints       endpoints as objects: records, files, commands
    batch           files and folders, without a server or through one

Nothing here imports torch, except `runtimes.torch_runtime`, and that only for an archive without an ONNX file.
"""
