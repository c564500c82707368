"""Bytes to values and back, by botocore's models: one file for each protocol, all with the same three functions.

    parse(operation, request, body) -> Members      what was asked; `AwsFault` for what is no such request
    answer(operation, members) -> Answer            what is answered
    refuse(fault, request_id) -> Answer             how this protocol says no
"""
