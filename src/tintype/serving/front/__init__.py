"""The process that has an endpoint's socket, and the supervisor that keeps one there.

    supervisor        holds the socket and starts the front again
    process, front    the front as a process, and what it puts together
    guarded_protocol  HTTP with limits → server → admission (who is let in) → a model
    caller            whose request it is, told by the protocol to all the others
    refusals          every error's one shape
"""
