"""The toolkit's errors. Those with a `status_code` say how a request is answered; all others are status 500."""

from __future__ import annotations


class BaseInferenceToolkitError(Exception):
    """An error that carries the status of the answer."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same, with less to say."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        super().__init__(status_code, message or "Invalid Request", phrase or message or "Invalid Request")


class UnsupportedFormatError(Exception):
    """A content type that is not known."""

    def __init__(self, content_type: object, **_: object) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework. Please implement input_fn to "
            "deserialize the request data or an output_fn to serialize the response."
        )
