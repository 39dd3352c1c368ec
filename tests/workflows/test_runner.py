"""The runner executes small workflows as GitHub would."""

import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shell import Shell
from tests.workflows.actions import Action, Call
from tests.workflows.expressions import ExpressionError
from tests.workflows.hub import Event, Hub, Settings
from tests.workflows.runner import Run, run
from tests.workflows.syntax import WorkflowError, legs

Start = Callable[..., Run]


@pytest.fixture
def start(shell: Shell, tmp_path: Path) -> Start:
    """Run the first of some workflows, given as texts, in a repository that has nothing else."""

    def begin(
        workflow: str,
        *others: str,
        event: Callable[[Hub], Event] = Hub.push,
        actions: dict[str, Action] | None = None,
        **settings: Any,
    ) -> Run:
        project = tmp_path / "project"
        folder = project / ".github" / "workflows"
        folder.mkdir(parents=True)
        for name, text in zip(("main.yml", "other.yml"), (workflow, *others), strict=False):
            (folder / name).write_text(textwrap.dedent(text))
        (project / "file.txt").write_text("hello\n")
        shell.commit(project, "First")
        hub = Hub.of(shell, project, tmp_path / "hub", **settings)
        return run(hub, event(hub), "main.yml", tmp_path / "run", actions=actions)

    return begin


def one_job(steps: str, above: str = "") -> str:
    """Return a workflow of one job with these steps."""
    head = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n"
    inner = textwrap.indent(textwrap.dedent(steps), "      ")
    return f"{head}{textwrap.indent(above, '    ')}    steps:\n{inner}"


def logs(done: Run, job: str = "a") -> list[str]:
    return [step.log.strip() for step in done.job(job).steps]


def ends(done: Run, job: str = "a") -> list[str]:
    return [step.conclusion for step in done.job(job).steps]


def test_steps_run_in_order_until_one_fails(start: Start) -> None:
    done = start(
        one_job("""
            - run: echo one
            - run: echo two; exit 3
            - run: echo never
            - if: failure()
              run: echo after ${{ job.status }}
            - if: always()
              run: echo always
            - if: cancelled()
              run: echo never
            - if: success()
              run: echo never
        """)
    )
    assert done.result == "failure"
    skip = "skipped"
    assert ends(done) == ["success", "failure", skip, "success", "success", skip, skip]
    assert logs(done) == ["one", "two", "", "after failure", "always", "", ""]
    assert "| two" in str(done)


def test_a_step_that_may_fail(start: Start) -> None:
    done = start(
        one_job("""
            - id: may
              continue-on-error: true
              run: exit 1
            - run: echo ${{ steps.may.outcome }} ${{ steps.may.conclusion }} ${{ job.status }}
        """)
    )
    assert done.result == "success"
    assert logs(done)[1] == "failure success success"


@pytest.mark.parametrize(("asked", "end"), [("", "success"), ("shell: bash", "failure")])
def test_only_a_bash_that_is_asked_for_minds_pipes(start: Start, asked: str, end: str) -> None:
    done = start(one_job(f"- run: false | true\n  {asked}"))
    assert done.result == end


def test_other_shells(start: Start) -> None:
    done = start(
        one_job("""
            - shell: python
              run: print(6 * 7)
            - shell: sh
              run: echo "$0" | sed 's,.*/,,'
            - shell: nothing
              run: echo
        """)
    )
    assert logs(done) == ["42", "script", "error: unknown shell: nothing"]


def test_variables_and_folders(start: Start) -> None:
    done = start(
        """
        on: push
        env: {A: workflow, B: workflow, N: 3.10, YES: true}
        defaults: {run: {working-directory: sub}}
        jobs:
          a:
            runs-on: ubuntu-latest
            env: {B: "job ${{ github.ref_name }}", E: job}
            steps:
              - run: mkdir sub
                working-directory: .
              - run: echo "$A|$B|$C|$N|$YES|${{ env.C }}|${{ env.c }}|$(basename "$PWD")"
                env: {C: step}
                if: env.C == 'step'
              - run: |
                  echo E=exported >> "$GITHUB_ENV"
                  printf 'M<<END\\none\\ntwo\\nEND\\n' >> "$GITHUB_ENV"
                  mkdir "$RUNNER_TEMP/bin"
                  printf '#!/bin/sh\\necho mine\\n' > "$RUNNER_TEMP/bin/mine"
                  chmod +x "$RUNNER_TEMP/bin/mine"
                  echo "$RUNNER_TEMP/bin" >> "$GITHUB_PATH"
                  mine || echo not yet
              - run: echo "$E ${{ env.E }} $M $C"; mine
              - run: echo "$GITHUB_SHA" = ${{ github.sha }}, $CI, $GITHUB_EVENT_NAME
              - run: echo GITHUB_SHA=mine >> "$GITHUB_ENV"
              - run: exit 1
        """
    )
    found = logs(done)
    assert found[1] == "workflow|job main|step|3.1|true|step||sub"
    assert found[2].endswith("not yet")
    assert found[3] == "exported exported one\ntwo \nmine"
    left, _, right = found[4].partition(" = ")
    assert right == f"{left}, true, push"
    assert found[5] == "error: GITHUB_ENV cannot set GITHUB_SHA"
    assert ends(done)[5:] == ["failure", "skipped"]


def test_a_machine_has_nothing_of_ours(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ours")
    done = start(
        one_job("""
            - run: echo "$GITHUB_TOKEN|$GIT_AUTHOR_NAME|$VIRTUAL_ENV"
            - run: test "$HOME" = "$(cd ~ && pwd)" && ls -A ~
            - run: echo "$PATH"
            - run: ls -A
        """)
    )
    assert [*logs(done)[:2], logs(done)[3]] == ["||", "", ""]
    assert str(Path(sys.executable).parent) not in logs(done)[2].split(":")


def test_outputs_and_needs(start: Start) -> None:
    done = start(
        """
        on: push
        jobs:
          last:
            needs: [first, empty]
            runs-on: ubuntu-latest
            steps:
              - run: |
                  cat << 'END'
                  ${{ needs.first.outputs.text }} ${{ needs.first.result }}
                  [${{ needs.empty.outputs.nothing }}]
                  ${{ toJSON(needs.empty) }}
                  END
          empty:
            runs-on: ubuntu-latest
            steps: [{run: "true"}]
          first:
            runs-on: ubuntu-latest
            outputs: {text: "${{ steps.s.outputs.a }}+${{ steps.s.outputs.lines }}"}
            steps:
              - id: s
                run: |
                  echo a=b=c >> "$GITHUB_OUTPUT"
                  printf 'lines<<X\\n1\\n2\\nX\\n' >> "$GITHUB_OUTPUT"
                  echo '# Summary' >> "$GITHUB_STEP_SUMMARY"
              - run: echo more >> "$GITHUB_STEP_SUMMARY"
        """
    )
    assert done.result == "success"
    assert logs(done, "last") == [
        'b=c+1\n2 success\n[]\n{\n  "result": "success",\n  "outputs": {}\n}'
    ]
    assert done.job("first").summary == "# Summary\nmore\n"
    assert [job.name for job in done.jobs] == ["empty", "first", "last"]


def test_a_line_that_is_no_output_fails_its_step(start: Start) -> None:
    done = start(one_job('- run: echo oops >> "$GITHUB_OUTPUT"'))
    assert done.result == "failure"
    assert "'oops'" in logs(done)[0]


def test_jobs_after_a_failure(start: Start) -> None:
    job = "runs-on: ubuntu-latest\n            steps: [{run: echo ran}]"
    done = start(
        f"""
        on: push
        jobs:
          bad:
            runs-on: ubuntu-latest
            steps: [{{run: exit 1}}]
          skipped:
            needs: bad
            {job}
          later:
            needs: skipped
            {job}
          mend:
            needs: skipped
            if: failure()
            {job}
          always:
            needs: bad
            if: always() && needs.bad.result == 'failure'
            {job}
          after-always:
            needs: always
            {job}
          other:
            {job}
        """
    )
    assert done.result == "failure"
    assert done.results == {
        "bad": "failure",
        "skipped": "skipped",
        "later": "skipped",
        "mend": "success",  # an ancestor has failed
        "always": "success",
        "after-always": "skipped",  # an ancestor has not succeeded
        "other": "success",
    }


def test_a_job_that_may_fail(start: Start) -> None:
    done = start(one_job("- run: exit 1", "continue-on-error: true\n"))
    assert done.result == "success"
    assert done.job("a").result == "failure"


def test_matrix(start: Start) -> None:
    done = start(
        """
        on: push
        jobs:
          list:
            runs-on: ubuntu-latest
            outputs: {names: '["x", "y"]'}
            steps: [{run: "true"}]
          a:
            needs: list
            runs-on: ubuntu-latest
            strategy:
              fail-fast: false
              matrix:
                name: ${{ fromJSON(needs.list.outputs.names) }}
                n: [1, 2]
                include: [{name: x, n: 2, more: yes}]
            outputs: {last: "${{ matrix.name }}"}
            steps:
              - run: echo ${{ matrix.name }}${{ matrix.n }}${{ matrix.more }}
              - run: test ${{ matrix.name }}${{ matrix.n }} != x1
          b:
            runs-on: ubuntu-latest
            strategy: {matrix: {n: [1, 2]}}
            steps: [{run: exit 1}]
        """
    )
    assert [logs(done, f"a ({leg})")[0] for leg in ("x, 1", "x, 2, yes", "y, 1", "y, 2")] == [
        *("x1", "x2yes", "y1", "y2")
    ]
    assert done.results == {"list": "success", "a": "failure", "b": "failure"}
    assert [job.result for job in done.jobs if job.name[0] == "b"] == ["failure", "cancelled"]


def test_combinations_as_github_documents_them() -> None:
    matrix = {
        "fruit": ["apple", "pear"],
        "animal": ["cat", "dog"],
        "include": [
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    }
    assert legs(matrix) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert legs({"a": [1, 2], "exclude": [{"a": 1}]}) == [{"a": 2}]
    assert legs({"include": [{"a": 1}, {"a": 2}]}) == [{"a": 1}, {"a": 2}]


CALLED = """
    on:
      workflow_call:
        inputs:
          where: {type: string, required: true}
          dry: {type: boolean}
        secrets: {KEY: {required: true}}
        outputs: {url: {value: "${{ jobs.j.outputs.url }}"}}
    jobs:
      j:
        runs-on: ubuntu-latest
        environment: {name: "${{ inputs.where }}", url: "${{ steps.s.outputs.url }}"}
        outputs: {url: "${{ steps.s.outputs.url }}"}
        steps:
          - id: s
            env: {KEY: "${{ secrets.KEY }}", HOST: "${{ vars.HOST }}"}
            run: |
              echo "${{ inputs.where }} ${{ inputs.dry }} $KEY $HOST $OUTER"
              echo url=https://$HOST >> "$GITHUB_OUTPUT"
              test $HOST != broken
"""
CALLER = """
    on: push
    env: {{OUTER: outer}}
    jobs:
      staging:
        uses: ./.github/workflows/other.yml
        with: {{where: staging}}
        secrets: {0}
      production:
        needs: staging
        uses: ./.github/workflows/other.yml
        with: {{where: production, dry: true}}
        secrets: {0}
      say:
        needs: [staging, production]
        if: always()
        runs-on: ubuntu-latest
        steps:
          - run: echo ${{{{ needs.staging.outputs.url }}}} ${{{{ needs.production.result }}}}
"""
PLACES = {
    "staging": Settings(vars={"HOST": "stage"}),
    "production": Settings(vars={"HOST": "prod"}, secrets={"KEY": "of production"}),
}


@pytest.mark.parametrize("secrets", ["inherit", '{KEY: "${{ secrets.KEY }}"}'])
def test_called_workflows(start: Start, secrets: str) -> None:
    settings = Settings({"KEY": "general"})
    done = start(CALLER.format(secrets), CALLED, settings=settings, environments=PLACES)
    assert logs(done, "staging / j") == ["staging false general stage"]
    assert logs(done, "production / j") == ["production true of production prod"]
    assert logs(done, "say") == ["https://stage success"]


def test_a_called_workflow_that_fails(start: Start) -> None:
    places = PLACES | {"staging": Settings(vars={"HOST": "broken"})}
    settings = Settings({"KEY": "general"})
    done = start(CALLER.format("inherit"), CALLED, settings=settings, environments=places)
    assert done.results == {"staging": "failure", "production": "skipped", "say": "success"}
    assert logs(done, "say") == ["https://broken skipped"]


def test_a_called_workflow_without_its_secret(start: Start) -> None:
    with pytest.raises(WorkflowError, match="needs the secret KEY"):
        start(CALLER.format("inherit"), CALLED)


BY_HAND = """
    on:
      workflow_dispatch:
        inputs:
          period: {required: true}
          dry: {type: boolean, default: true}
          kind: {type: choice, options: [a, b], default: a}
    jobs:
      a:
        runs-on: ubuntu-latest
        steps:
          - if: inputs.dry
            run: echo ${{ inputs.period }} ${{ github.event.inputs.dry }} ${{ inputs.kind }}
"""


def test_a_run_by_hand(start: Start) -> None:
    assert logs(start(BY_HAND, event=lambda hub: hub.dispatch(period="2013-05"))) == [
        "2013-05 true a"
    ]


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({}, "needs the input period"),
        ({"period": "x", "other": 1}, "has no input other"),
        ({"period": "x", "dry": "yes"}, "dry is no boolean"),
        ({"period": "x", "kind": "c"}, "kind is none of"),
    ],
)
def test_a_run_by_hand_with_bad_inputs(start: Start, inputs: dict[str, Any], error: str) -> None:
    with pytest.raises(WorkflowError, match=error):
        start(BY_HAND, event=lambda hub: hub.dispatch(**inputs))


def test_a_pull_request_is_its_merge(start: Start, shell: Shell, tmp_path: Path) -> None:
    def ask(hub: Hub) -> Event:
        work = tmp_path / "clone"
        shell("git", "clone", "-q", hub.folder, work)
        shell("git", "checkout", "-qb", "change", cwd=work)
        (work / "new.txt").write_text("new\n")
        shell.commit(work, "Change")
        shell("git", "push", "-q", "origin", "change", cwd=work)
        return hub.pull_request("change")

    done = start(
        """
        on: {pull_request: {branches: [main]}}
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v7
                with: {fetch-depth: 2, persist-credentials: false}
              - run: ls; git log -1 --format=%s | cat; git rev-list --count HEAD
              - run: git diff --name-only ${{ github.event.pull_request.base.sha }} HEAD
              - run: echo ${{ github.base_ref }} $GITHUB_HEAD_REF
              - run: git fetch -q origin main
        """,
        event=ask,
    )
    _, tree, diff, refs, fetch = logs(done)
    assert tree.split("\n") == ["file.txt", "new.txt", "Merge change into main", "3"]
    assert diff == "new.txt"
    assert refs == "main change"
    assert "does not appear to be a git repository" in fetch


def test_checkout_by_its_inputs(start: Start) -> None:
    done = start(
        one_job("""
            - uses: actions/checkout@v7
            - run: git log --format=%s | cat; git branch --show-current; git fetch -q origin main
            - uses: actions/checkout@v7
              with: {path: inner, fetch-depth: 0}
            - run: cat inner/file.txt
            - uses: actions/checkout@v7
              with: {ref: nothing, path: other}
        """)
    )
    assert logs(done)[:4] == ["", "First\nmain", "", "hello"]
    assert "nothing" in logs(done)[4]
    assert done.result == "failure"


def test_artifacts(start: Start) -> None:
    done = start(
        """
        on: push
        jobs:
          a:
            runs-on: ubuntu-latest
            steps:
              - run: mkdir -p out/.hidden out/in; touch out/.hidden/x out/in/b out/a.txt other.txt
              - uses: actions/upload-artifact@v7
                with: {name: all, path: out}
              - uses: actions/upload-artifact@v7
                with: {name: some, path: "out/*.txt\\nother.txt", if-no-files-found: error}
              - uses: actions/upload-artifact@v7
                with: {name: nothing, path: "*.nothing", if-no-files-found: error}
          b:
            needs: a
            if: always()
            runs-on: ubuntu-latest
            steps:
              - uses: actions/download-artifact@v8
                with: {name: all, path: all}
              - uses: actions/download-artifact@v8
                with: {name: some}
              - run: find . -type f | sort
        """
    )
    assert ends(done) == ["success", "success", "success", "failure"]
    assert logs(done, "b")[2].split() == ["./all/a.txt", "./all/in/b", "./other.txt", "./out/a.txt"]


def test_actions_by_a_test(start: Start) -> None:
    seen = []

    def act(call: Call) -> dict[str, str]:
        seen.append(call.inputs)
        return {"number": "7"}

    done = start(
        one_job("""
            - id: s
              uses: me/action@v1
              with: {a: 1, b: "${{ github.ref_name }}"}
            - run: echo ${{ steps.s.outputs.number }}
            - uses: actions/attest-build-provenance@v4
            - uses: me/action@v1
              if: false
        """),
        actions={"me/action": Action("a test", "a b", act)},
    )
    assert seen == [{"a": "1", "b": "main"}]
    assert logs(done)[1] == "7"
    assert [step.how for step in done.job("a").steps] == [
        "replaced by a test",
        "executed",
        "not run: signs with an identity that only GitHub gives",
        "replaced by a test",
    ]


def test_a_step_whose_time_is_over_is_killed(start: Start) -> None:
    done = start(
        one_job("""
            - run: (sleep 30; echo late) & sleep 30
              timeout-minutes: 0.01
            - if: failure()
              run: echo still there
        """)
    )
    assert done.job("a").result == "failure"
    assert logs(done) == ["error: its time is over", "still there"]


def test_a_job_whose_time_is_over_is_cancelled(start: Start) -> None:
    done = start(
        one_job(
            """
            - run: sleep 30
            - if: failure()
              run: echo never
            - if: always()
              run: echo ${{ job.status }}
            """,
            "timeout-minutes: 0.01\n",
        )
    )
    assert done.result == "cancelled"
    assert ends(done) == ["cancelled", "skipped", "success"]
    assert logs(done)[2] == "cancelled"


def test_what_steps_leave_running_ends_with_the_job(start: Start, tmp_path: Path) -> None:
    done = start(one_job("- run: (sleep 1.5; touch ~/late) &\n- run: echo"))
    time.sleep(2)
    assert done.result == "success"
    assert not list((tmp_path / "run").rglob("late"))


def test_a_machine_of_ones_own_stays_as_it_was(start: Start) -> None:
    steps = """
            runs-on: [self-hosted, staging]
            steps:
              - uses: actions/checkout@v7
                with: {{clean: {clean}}}
              - run: ls; echo made > made.txt; git checkout -q --detach
    """
    done = start(
        "on: push\njobs:"
        f"\n  a:{steps.format(clean='true')}"
        f"\n  b:\n            needs: a{steps.format(clean='false')}"
        f"\n  c:\n            needs: b{steps.format(clean='true')}"
    )
    assert [logs(done, job)[1].split() for job in "abc"] == [
        ["file.txt"],
        ["file.txt", "made.txt"],
        ["file.txt"],
    ]


def test_files_are_hashed(start: Start) -> None:
    done = start(
        one_job("""
            - uses: actions/checkout@v7
            - run: echo ${{ hashFiles('*.txt') == hashFiles('**/file.txt', 'no*') }}
            - run: echo "[${{ hashFiles('no*') }}]"
            - run: echo ${{ hashFiles('*.txt') != hashFiles('*.txt', '!file.txt') }}
        """)
    )
    assert logs(done)[1:] == ["true", "[]", "true"]


@pytest.mark.parametrize(
    ("workflow", "error"),
    [
        (one_job("- run: echo\n  retries: 3"), "unknown here: retries"),
        (one_job("- run: echo\n  uses: a/b@v1"), "either `run` or `uses`"),
        (one_job("- name: nothing"), "either `run` or `uses`"),
        (one_job("- uses: some/thing@v1"), "nothing stands in for some/thing@v1"),
        (one_job("- uses: actions/checkout@v7\n  with: {dept: 0}"), "unknown here: dept"),
        (one_job("- run: echo", "container: x\n"), "unknown here: container"),
        (one_job("- run: echo", "needs: nobody\n"), "wait for"),
        (one_job("- run: echo", "runs-on: macos-latest\n"), "there twice: runs-on"),
        (one_job("- run: echo").replace("ubuntu", "macos"), "no Ubuntu of GitHub's"),
        (one_job("- run: echo").replace("push", "release"), "not started by push"),
        (one_job("- run: echo").replace("push", "{push: {paths: [a]}}"), "unknown here: paths"),
        (one_job("- run: echo").replace("push", "{push: {branches: [x]}}"), "not started by push"),
    ],
)
def test_what_is_not_known_is_an_error(start: Start, workflow: str, error: str) -> None:
    with pytest.raises(WorkflowError, match=error):
        start(workflow)


@pytest.mark.parametrize(
    "workflow",
    [
        one_job("- run: echo ${{ fromJSON(vars.NOTHING) }}"),
        one_job("- run: echo ${{ nothing.at.all }}"),
        one_job("- run: echo\n  if: secrets.KEY != ''"),
        one_job("- run: echo ${{ success() }}"),
        one_job("- run: echo", "if: env.A\n"),
        one_job("- run: echo", "timeout-minutes: ${{ nosuch() }}\n"),
    ],
)
def test_an_expression_that_is_not_known_is_an_error(start: Start, workflow: str) -> None:
    with pytest.raises(ExpressionError):
        start(workflow)
