from __future__ import annotations

import pytest

from tintype.errors import TintypeError
from tintype.rules.actions.email import Email, MailServer
from tintype.rules.actions.parsing import parse_actions
from tintype.rules.actions.sms import Sms
from tintype.rules.actions.stop_training import StopTraining
from tintype.rules.actions.webhook import Webhook

SERVER = MailServer("mail.example.org")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ()),
        ("", ()),
        ({"name": "StopTraining"}, (StopTraining(),)),
        ('{"name": "stoptraining", "training_job_prefix": "dogs"}', (StopTraining("dogs"),)),
        ('[{\\"name\\":\\"email\\",\\"endpoint\\":\\"A.b+c@mail.Example.museum\\"}]',
         (Email("A.b+c@mail.Example.museum", SERVER),)),
        ([{"name": "sms", "endpoint": "+4912"}, {"name": "webhook", "endpoint": "https://a.example/x"}],
         (Sms("+4912"), Webhook("https://a.example/x"))),
    ],
)  # fmt: skip
def test_understood(given: object, expected: tuple[object, ...]) -> None:
    assert parse_actions(given, SERVER) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("__import__('os').system('true')", "action_json is not JSON"),
        ("[1]", "an action is an object with a name"),
        ('{"name": "pager"}', "there is no action named 'pager'"),
        ('{"name": "email"}', "endpoint is missing"),
        ('{"name": "email", "endpoint": "a@b, c@d"}', "must be an e-mail address"),
        ('{"name": "webhook", "endpoint": "file:///etc/passwd"}', "must be an http or https address"),
        ('{"name": "stoptraining", "prefix": "x"}', "'prefix' is not one of"),
    ],
)
def test_refused(given: object, said: str) -> None:
    with pytest.raises(TintypeError, match=said.replace("(", "\\(")):
        parse_actions(given, SERVER)
