"""Automations of the Prefect server: run `python -m flows.automations` after each deploy.

A hook needs a process. If that of a run and its worker are gone, or never started, only the server
can notice: it misses their events. It then sends the alert itself.
"""

from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any, cast
from uuid import UUID

from prefect.automations import Automation, ChangeFlowRunState, EventTrigger, Posture
from prefect.blocks.notifications import SlackWebhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, SendNotification
from prefect.settings import get_current_settings
from pydantic import SecretStr

from {{{ cookiecutter.package_name }}}.runtime import PROJECT
from {{{ cookiecutter.package_name }}}.runtime.errors import exit_if_refused
from {{{ cookiecutter.package_name }}}.runtime.notify.alerts import TRIES
from {{{ cookiecutter.package_name }}}.runtime.notify.targets import VARIABLE, targets

HEARTBEATS = 3  # that a run may miss
START = 10  # minutes that a run may wait for a worker, and then for its process to start
END = 120  # minutes that the run of a period may take

RUN = {"prefect.resource.id": "prefect.flow-run.*"}
# The tag of all deployments in prefect.yaml and of their runs, but not of periods in a backfill.
OURS = {"prefect.resource.id": f"prefect.tag.{PROJECT}"}
TRAINING = [OURS, {"prefect.resource.role": "flow", "prefect.resource.name": "training"}]
STARTED = {"Running", "AwaitingConcurrencySlot", "Failed", "Crashed", "Cancelled"}
# An event is named after its state, such as `Released`; the state's type says that a run ended.
STATE = {"prefect.state-type": ["RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}

# The server fills in what is in braces when it sends an alert.
{% raw -%}
WHICH = "{{ flow_run.labels.period or flow_run.parameters.period or flow.name }}"
FACTS = """
- run: {{ flow_run.name }}
- severity: critical
- page of the run: {{ flow_run | ui_url }}
- to resume: .venv/bin/prefect deployment run {{ flow.name }}/{{ deployment.name }}\
{% for name, value in flow_run.parameters.items() if value %} --param {{ name }}={{ value }}\
{% endfor %}"""
{%- endraw %}



def missing(after: set[str], expect: set[str], seconds: float, **more: Any) -> EventTrigger:
    """Return a trigger that fires if no event of `expect` follows one of `after` in a run."""
    fields: dict[str, Any] = {"match": RUN, "match_related": OURS} | more
    return EventTrigger(
        for_each={"prefect.resource.id"},
        after={f"prefect.flow-run.{name}" for name in after},
        expect={f"prefect.flow-run.{name}" for name in expect},
        within=timedelta(seconds=seconds),
        posture=Posture.Proactive,
        **fields,
    )


def crash(name: str, message: str) -> list[ActionTypes]:
    """Return the action that marks the run as crashed, which frees its slot."""
    return [ChangeFlowRunState(state=StateType.CRASHED, name=name, message=message)]


def alert(blocks: list[UUID], what: str, why: str) -> list[ActionTypes]:
    """Return the actions that send an alert through all blocks."""
    subject, body = f"{PROJECT}: {WHICH} {what}", f"{why}\n{FACTS}"
    return [SendNotification(block_document_id=id_, subject=subject, body=body) for id_ in blocks]


def automations(blocks: list[UUID]) -> list[Automation]:
    """Return all automations; their alerts are sent through the blocks.

    A server that was down has missed the heartbeats of live runs too. So a silent run is marked as
    crashed first, which does not stop a live one; the alert is sent if it then stays silent.
    """
    silence = HEARTBEATS * (get_current_settings().flows.heartbeat_frequency or 30)
    wanted = {
        "a run is silent": (
            missing({"heartbeat"}, {"*"}, silence),
            crash("Vanished", f"No heartbeat for {silence} seconds: process and worker are gone."),
        ),
        "a run does not start": (
            missing({"Pending"}, STARTED, START * 60),
            crash("Did not start", f"A worker took it, but did not start it in {START} minutes."),
        ),
        "a run is dead": (
            missing({"Vanished", "Did not start"}, {"*"}, silence / 2),
            alert(blocks, "{{ flow_run.state.name | lower }}", "{{ flow_run.state.message }}"),
        ),
        "a run is late": (
            missing({"Late"}, STARTED | {"Pending"}, START * 60),
            alert(blocks, "is late", f"No worker took it within {START} minutes."),
        ),
        "a run takes too long": (
            missing({"Running"}, {"*"}, END * 60, match=RUN | STATE, match_related=TRAINING),
            alert(blocks, "takes too long", f"It has not ended within {END} minutes."),
        ),
    }
    return [
        Automation(name=f"{PROJECT}: {name}", trigger=trigger, actions=actions)
        for name, (trigger, actions) in wanted.items()
    ]


def save(wanted: Automation) -> None:
    """Create an automation, or update it if it differs: an update restarts what it waits for."""
    try:
        there = cast("Automation", Automation.read(name=wanted.name))
    except ValueError:  # there is none of this name
        wanted.create()
        return
    wanted.id = there.id
    if there != wanted:
        wanted.update()


def save_block(number: int, address: str) -> UUID:
    """Store an Apprise address on the server, which encrypts it; return the block's id.

    Of Prefect's notification blocks, the one for Slack passes any address to Apprise unchanged.
    """
    url = f"{address}{'&' if '?' in address else '?'}format=text&retry={TRIES - 1}"
    block = SlackWebhook(url=SecretStr(url), notify_type="failure")
    return cast("UUID", block.save(f"{PROJECT}-{number}", overwrite=True))


def main() -> None:
    """Bring the server's blocks and automations up to date."""
    where = targets()
    blocks = [save_block(target.number, target.address) for target in where]
    for automation in automations(blocks):
        save(automation)
    with suppress(ValueError):  # at the first that does not exist
        for number in count(len(where) + 1):
            SlackWebhook.delete(f"{PROJECT}-{number}")
    receivers = ", ".join(map(str, where)) or f"nobody: {VARIABLE} is not set"
    print(f"The server watches the runs, and alerts {receivers}.")


if __name__ == "__main__":
    with exit_if_refused():
        main()
