"""Slack, by an incoming webhook."""

from __future__ import annotations

from mltrading.adapters.channels.http import Poster, checked_url, json_bytes
from mltrading.utils.message import Message, Outcome, shorten

# Slack cuts a text at 40,000 characters; past a screenful nobody reads on.
LONGEST_TITLE = 300
LONGEST_TEXT = 3_000
_MARKS = {"critical": ":rotating_light:", "warning": ":warning:", "info": ":information_source:"}
_RESOLVED = ":white_check_mark:"


class SlackWebhook:
    """Posts to a channel. A webhook of a Slack app is bound to the channel it was made for and
    ignores the name; a legacy one and Mattermost obey it."""

    def __init__(self, url: str, channel: str) -> None:
        self.name = f"slack {channel}"
        self._channel = channel
        self._poster = Poster(checked_url(url, "SLACK_WEBHOOK"))

    def __repr__(self) -> str:
        return f"SlackWebhook({self._channel!r})"

    def send(self, message: Message) -> Outcome:
        return self._poster.post(json_bytes(payload(message, self._channel)))


def payload(message: Message, channel: str) -> dict[str, object]:
    """The body of the webhook: everything of the message is text, nothing of it mark-up."""
    mark = _RESOLVED if message.resolved else _MARKS[message.severity]
    state = "resolved" if message.resolved else message.severity
    title = escaped(shorten(message.title, LONGEST_TITLE))
    lines = [f"{mark} *{state}: {title}*", escaped(shorten(message.text, LONGEST_TEXT))]
    if message.link:
        lines.append(escaped(message.link))
    text = "\n".join(line for line in lines if line)
    return {"channel": channel, "text": text, "unfurl_links": False, "unfurl_media": False}


def escaped(text: str) -> str:
    """The three characters that mrkdwn gives a meaning beyond looks: links, users, @channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
