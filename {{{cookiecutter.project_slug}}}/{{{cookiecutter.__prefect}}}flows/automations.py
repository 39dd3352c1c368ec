"""Let the server say what no hook can: `python -m flows.automations`, after each deploy.

A hook needs a process. Where that and its worker are gone, or never were, the server notices by
what it does not hear, and sends the alert itself. Asked for again, this changes what is there.
"""

import sys
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import cast
from uuid import UUID

from prefect import get_client
from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.blocks.notifications import SlackWebhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from pydantic import SecretStr

from {{{ cookiecutter.package_name }}}.alerts import (
    PROJECT,
    TRIES,
    VARIABLE,
    Target,
    targets,
)
from {{{ cookiecutter.package_name }}}.errors import BadInput

SILENT = 3 * (get_current_settings().flows.heartbeat_frequency or 30)
"""Seconds without a sign of life, of which a run gives one at each heartbeat, until it is dead."""
BEGIN = 10
"""Minutes that a run may wait for a worker, and then for the worker to begin it."""
END = 120
"""Minutes that the run of a month may take; a backfill takes as long as it has months."""

MONTHLY = "training/monthly"
DEPLOYMENTS = (MONTHLY, "backfill/backfill", "deadline/daily")

# The server fills in what stands in braces, when it sends this.
{% raw -%}
WHICH = """{{ flow_run.parameters.period
    or (flow_run.name[:7] if flow_run.name[:7] in flow_run.tags
        else flow.name ~ "/" ~ deployment.name) }}"""
FACTS = """
- run: {{ flow_run.name }}
- severity: critical
- page of the run: {{ flow_run | ui_url }}
- once mended: .venv/bin/prefect deployment run {{ flow.name }}/{{ deployment.name }}\
{{ " --param " if flow_run.parameters.values() | select | list else "" }}\
{{ flow_run.parameters.items() | selectattr("1") | map("join", "=") | join(" --param ") }}"""
{%- endraw %}



def send(blocks: list[UUID], what: str, why: str) -> list[ActionTypes]:
    """Return what sends to all `blocks` that `what` became of a run, and `why` one thinks so."""
    subject, body = f"{PROJECT}: {WHICH} {what}", f"{why}\n{FACTS}"
    return [
        SendNotification(block_document_id=block, subject=subject, body=body) for block in blocks
    ]


def of(ids: list[UUID]) -> dict[str, str | list[str]]:
    """Return what matches the events of these deployments' runs."""
    names = [f"prefect.deployment.{number}" for number in ids]
    return {"prefect.resource.role": "deployment", "prefect.resource.id": names}


def unheard(
    ids: list[UUID], after: set[str], expect: set[str], within: timedelta, *types: str
) -> EventTrigger:
    """Return what notices that a run's event is not followed by another.

    Args:
        ids: the deployments whose runs it looks at. Who starts a run by hand sees it, and that of a
            month within a backfill has no deployment.
        after: the events that it waits after, such as `Running`.
        expect: those that it waits for.
        within: how long.
        types: the types of state that count, where not every event does.
    """
    of_state: dict[str, str | list[str]] = {"prefect.state-type": list(types)} if types else {}
    return EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*", **of_state},
        match_related=of(ids),
        for_each={"prefect.resource.id"},
        after={f"prefect.flow-run.{name}" for name in after},
        expect={f"prefect.flow-run.{name}" for name in expect},
        within=within,
        posture=Posture.Proactive,
    )


def watch(ids: dict[str, UUID], blocks: list[UUID]) -> list[AutomationCore]:
    """Return all that the server is to watch for.

    Args:
        ids: the ids of the deployments by name.
        blocks: the ids of the blocks that send.
    """
    every = list(ids.values())
    # A state is named by how the run ended, such as `Kept champion`: what counts is its type.
    final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    begun = {"Running", "AwaitingConcurrencySlot", "Failed", "Crashed", "Cancelled"}
    # A server that was away hears late that a run has ended, or is well. So first the state of what
    # seems dead is changed, which one that ended does not let happen; and if then it still gives no
    # sign of life, the alert is sent.
    vanished = ChangeFlowRunState(
        state=StateType.CRASHED,
        name="Vanished",
        message=f"Nothing was heard of it for {SILENT} seconds: process and worker are gone.",
    )
    stuck = ChangeFlowRunState(
        state=StateType.CRASHED,
        name="Did not start",
        message=f"A worker took it, and did not begin it within {BEGIN} minutes.",
    )
    found = {
        "a run is silent": (
            unheard(every, {"heartbeat"}, {"*"}, timedelta(seconds=SILENT)),
            [vanished],
        ),
        "a run does not start": (
            unheard(every, {"Pending"}, begun, timedelta(minutes=BEGIN)),
            [stuck],
        ),
        "a run is dead": (
            unheard(every, {"Vanished", "Did not start"}, {"*"}, timedelta(seconds=SILENT // 2)),
            send(blocks, "{{ flow_run.state.name | lower }}", "{{ flow_run.state.message }}"),
        ),
        "a run is late": (
            unheard(every, {"Late"}, begun | {"Pending"}, timedelta(minutes=BEGIN)),
            send(blocks, "is late", f"No worker took it within {BEGIN} minutes. It waits for one."),
        ),
        "a run takes too long": (
            unheard([ids[MONTHLY]], {"Running"}, {"*"}, timedelta(minutes=END), "RUNNING", *final),
            send(blocks, "takes too long", f"It has not ended within {END} minutes."),
        ),
    }
    return [
        AutomationCore(name=f"{PROJECT}: {name}", trigger=trigger, actions=actions)
        for name, (trigger, actions) in found.items()
    ]


def address(target: Target) -> str:
    """Return where a target is, so that Apprise on the server tries as often as here.

    What the server writes is plain text: no target is to look for marks in it.
    """
    url = str(target.service.url(privacy=False))  # type: ignore[no-untyped-call]
    return f"{url}{'&' if '?' in url else '?'}format=text&retry={TRIES - 1}"


def save(number: int, target: Target) -> UUID:
    """Keep a target on the server, which encrypts its address; return the block's id.

    Of Prefect's blocks, the one for Slack hands any address to Apprise as it is. Their base class,
    which would say that better, cannot be saved, and one of our own would have to be on the server.
    """
    block = SlackWebhook(url=SecretStr(address(target)), notify_type="failure")
    return cast("UUID", block.save(f"{PROJECT}-{number}", overwrite=True))


def same(there: AutomationCore, wanted: AutomationCore) -> bool:
    """Tell whether an automation is as wanted: one that is updated forgets what it waits for."""
    return there.model_dump(include=set(AutomationCore.model_fields)) == wanted.model_dump()


def main() -> None:
    """Bring the server up to date: blocks for all targets and none for others, and automations.

    A run that is silent frees its slot also where nobody is told.

    Raises:
        BadInput: a target is malformed, or a deployment is not on the server.
    """
    where = targets()
    blocks = [save(number, target) for number, target in enumerate(where, 1)]
    with get_client(sync_client=True) as client:
        try:
            ids = {name: client.read_deployment_by_name(name).id for name in DEPLOYMENTS}
        except ObjectNotFound:
            raise BadInput("A deployment is not there yet: run `prefect deploy --all`.") from None
        for wanted in watch(ids, blocks):
            there = client.read_automations_by_name(wanted.name)
            if not wanted.actions:  # it would tell, and there is nobody
                for automation in there:
                    client.delete_automation(automation.id)
            elif there:
                if not same(there[0], wanted):
                    client.update_automation(there[0].id, wanted)
                for twin in there[1:]:  # which would say all of it again
                    client.delete_automation(twin.id)
            else:
                client.create_automation(wanted)
    with suppress(ValueError):  # from the first that is not there
        for number in count(len(where) + 1):
            SlackWebhook.delete(f"{PROJECT}-{number}")
    if where:
        print(f"The server watches the runs, and tells {', '.join(map(str, where))}.")
    else:
        print(f"The server watches the runs, and tells nobody: {VARIABLE} is not set.")


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
