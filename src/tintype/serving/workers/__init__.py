"""The processes behind a front, and how it talks to them.

    nursery_process   the fork server, light and with one thread: every other process here is forked from it
    nursery           the front's end of it: start one, kill one, hear that one ended
    decoder_process   a request's bytes -> pictures in shared memory, with little memory, little time and no network
    network_process   pictures in shared memory -> logits
    frames, channel   messages to a process: blocking in the process, asyncio in the front
    slots             the shared memory
    lost_files        what is done when the files that they are started from have been removed
    decoders, networks, picture_queue     the front's view of both kinds: who does what, and what waits

A front that dies takes its nursery with it, and a nursery its children, however they die: nothing stays behind.
"""
