"""The vendors' documented formats of alerts, as JSON schemas, and a check of what arrived."""

import re
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_tz
from typing import Any

from jsonschema import Draft202012Validator

from tests.alerts.desk import Alert

Schema = dict[str, Any]


def _text(longest: int, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest, **more}


def _shape(required: Schema, **optional: Any) -> Schema:
    """Return the schema of an object; a name that is not listed is a mistake."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


def _one_of_type(**shapes: Schema) -> Schema:
    """Return the schema of an object that `type` selects, so that errors name that type."""
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(shapes)}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": shape}
            for name, shape in shapes.items()
        ],
    }


HTTPS = _text(3000, pattern="^https://")
WEB = _text(3000, pattern="^https?://")

# https://docs.slack.dev/reference/block-kit, .../messaging/formatting-message-text
MRKDWN = _shape({"type": {"const": "mrkdwn"}, "text": _text(3000)}, verbatim={"type": "boolean"})
PLAIN = _shape({"type": {"const": "plain_text"}, "text": _text(3000)}, emoji={"type": "boolean"})
TEXT = _one_of_type(mrkdwn=MRKDWN, plain_text=PLAIN)
TITLE = _shape({"type": {"const": "plain_text"}, "text": _text(150)}, emoji={"type": "boolean"})
PICTURE = _shape({"type": {"const": "image"}, "image_url": HTTPS, "alt_text": _text(2000)})
FIELDS = {"type": "array", "minItems": 1, "maxItems": 10, "items": TEXT}
SECTION = _shape({"type": {"const": "section"}}, text=TEXT, fields=FIELDS)
CONTEXT = _one_of_type(mrkdwn=MRKDWN, plain_text=PLAIN, image=PICTURE)
BLOCKS = {
    "type": "array",
    "minItems": 1,
    "maxItems": 50,
    "items": _one_of_type(
        section=SECTION | {"anyOf": [{"required": ["text"]}, {"required": ["fields"]}]},
        header=_shape({"type": {"const": "header"}, "text": TITLE}),
        context=_shape(
            {
                "type": {"const": "context"},
                "elements": {"type": "array", "minItems": 1, "maxItems": 10, "items": CONTEXT},
            }
        ),
        divider=_shape({"type": {"const": "divider"}}),
        image=PICTURE,
    ),
}
ATTACHMENT = _shape(
    {"blocks": BLOCKS},
    color=_text(7, pattern="^(good|warning|danger|#[0-9A-Fa-f]{6})$"),
    fallback=_text(4000),
)
SLACK = _shape(
    {},
    text=_text(40_000),
    blocks=BLOCKS,
    attachments={"type": "array", "minItems": 1, "maxItems": 20, "items": ATTACHMENT},
    username=_text(80),
    icon_url=HTTPS,
) | {"anyOf": [{"required": [name]} for name in ("text", "blocks", "attachments")]}

# https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
# and https://adaptivecards.io/explorer: Teams shows cards up to version 1.5.
TEXT_BLOCK = _shape(
    {"type": {"const": "TextBlock"}, "text": _text(28_000)},
    id=_text(100),
    style={"enum": ["default", "heading"]},
    weight={"enum": ["Default", "Lighter", "Bolder"]},
    size={"enum": ["Default", "Small", "Medium", "Large", "ExtraLarge"]},
    color={"enum": ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]},
    wrap={"type": "boolean"},
)
CARD_PICTURE = _shape(
    {"type": {"const": "Image"}, "url": HTTPS}, altText=_text(200), height=_text(10)
)
CARD = _shape(
    {
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
        "body": {
            "type": "array",
            "minItems": 1,
            "items": _one_of_type(TextBlock=TEXT_BLOCK, Image=CARD_PICTURE),
            "contains": {"properties": {"type": {"const": "TextBlock"}}},
        },
    },
    msteams={"type": "object"},
    **{"$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"}},
)
TEAMS = _shape(
    {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": _shape(
                {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "content": CARD,
                },
                contentUrl={"type": ["string", "null"]},
            ),
        },
    }
)

# https://developer.pagerduty.com/docs/send-alert-event
EVENT = _shape(
    {
        "summary": _text(1024),
        "source": _text(1024),
        "severity": {"enum": ["critical", "error", "warning", "info"]},
    },
    timestamp=_text(40, pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$"),
    component=_text(1024),
    group=_text(1024),
    custom_details={"type": "object"},
    **{"class": _text(1024)},
)
LINKS = {"type": "array", "items": _shape({"href": WEB}, text=_text(1024))}
IMAGES = {"type": "array", "items": _shape({"src": HTTPS}, href=HTTPS, alt=_text(1024))}
PAGERDUTY = _shape(
    {
        "routing_key": _text(32, pattern="^[0-9A-Za-z]{32}$"),
        "event_action": {"const": "trigger"},
        "payload": EVENT,
    },
    dedup_key=_text(255),
    client=_text(1024),
    client_url=HTTPS,
    links=LINKS,
    images=IMAGES,
)

# https://appriseit.com/services/json, and what a rendered project adds for programs
LINE = {"type": ["string", "null"], "maxLength": 301}
WEBHOOK = _shape(
    {
        "version": {"const": "1.0"},
        "title": _text(250),
        "message": _text(32_768),
        "type": {"enum": ["info", "success", "warning", "failure"]},
    },
    attachments={"type": "array"},
    kind={
        "enum": [
            *("run_failed", "run_crashed", "quarantined", "challenger_rejected"),
            *("champion_changed", "deadline_missed", "monitoring", "test"),
        ]
    },
    severity={"enum": ["info", "warning", "critical"]},
    facts={"type": "array", "items": LINE},
    **dict.fromkeys(("reason", "period", "run_id", "step", "rerun", "attempt"), LINE),
    **dict.fromkeys(("run_url", "tracker", "tracker_url"), LINE),
)

SCHEMAS = {"slack": SLACK, "teams": TEAMS, "pagerduty": PAGERDUTY, "webhook": WEBHOOK}
for _schema in SCHEMAS.values():
    Draft202012Validator.check_schema(_schema)


def check_shape(alert: Alert) -> None:
    """Fail unless the alert has the format that its receiver documents, with correct escapes."""
    if alert.target == "email":
        _check_mail(alert.payload)
        return
    schema = SCHEMAS[alert.target]
    wrong = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(alert.payload)
    ]
    if alert.target == "slack":
        wrong += [f"Markdown, which Slack does not render: {text}" for text in _markdown(alert)]
    assert not wrong, f"{alert.target}: {wrong}"
    media, _, _ = alert.headers["Content-Type"].partition(";")
    assert media == "application/json", media


def _markdown(alert: Alert) -> list[str]:
    """Return bold text and links in Markdown, for which Slack has other marks."""
    found = []
    for text in _values(alert.payload, "text"):
        found += re.findall(r"\*\*\S[^*]*\*\*|\[[^]]*\]\([^)]*\)", re.sub(r"`[^`]*`", "", text))
    return found


def _values(tree: Any, name: str) -> list[str]:
    """Return the strings of this name, at any depth."""
    if isinstance(tree, list):
        return [text for branch in tree for text in _values(branch, name)]
    if not isinstance(tree, dict):
        return []
    own = [tree[name]] if isinstance(tree.get(name), str) else []
    return own + [text for branch in tree.values() for text in _values(branch, name)]


def _check_mail(mail: EmailMessage) -> None:
    """Fail unless each header of RFC 5322 is there once, and the text is plain and HTML."""
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert len(mail.get_all(name, [])) == 1, f"email: {name}"
    for name in ("From", "To"):
        assert "@" in parseaddr(mail[name])[1], f"email: {name}: {mail[name]}"
    assert mail["Subject"].strip(), "email: Subject"
    assert parsedate_tz(mail["Date"]), f"email: Date: {mail['Date']}"
    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", mail["Message-ID"].strip()), mail["Message-ID"]
    assert mail.get_content_type() == "multipart/alternative", mail.get_content_type()
    parts = [part.get_content_type() for part in mail.iter_parts()]
    assert parts == ["text/plain", "text/html"], f"email: {parts}"
    for part in mail.iter_parts():
        assert part.get_content().strip(), f"email: {part.get_content_type()} is empty"
