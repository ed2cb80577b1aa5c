"""The council and voice commands, with the local model endpoint as a process of its own; and without it."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from scaleworthy.switchboard.intents import read_command
from scaleworthy.switchboard.llm_process import LlmProcess
from scaleworthy.switchboard.llm_settings import LlmSettings
from waiting import until

from .running import UNTIL, Api, Data, serving
from .test_routes import owners_of

QUICK = {"first_s": 0.0, "tokens_per_s": 1e6, "tokens": 12}
ASK = {"question": "Shall we call back?"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LlmProcess]:
    with LlmProcess.start(LlmSettings(**QUICK)) as started:
        yield started


@pytest.fixture(params=["day-one", "tuned"])
async def api(request: pytest.FixtureRequest, data: dict[str, Data], endpoint: LlmProcess) -> AsyncIterator[Api]:
    behave(endpoint)
    async with serving(data[request.param], request.param, llm=endpoint.url) as running:
        yield running


def behave(endpoint: LlmProcess, **settings: Any) -> None:
    wanted = {"failed": 0.0, "stalled": 0.0, "broken": 0.0, **QUICK, **settings}
    httpx.put(endpoint.url.replace("/v1", "/settings"), json=wanted).raise_for_status()


def counts(endpoint: LlmProcess) -> dict[str, int]:
    return dict(httpx.get(endpoint.url.replace("/v1", "/counts")).json())


def events(text: str) -> list[tuple[str, Any]]:
    """The events of a stream: name and content."""
    said = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        said.append((lines.get("event", ""), lines["data"] if lines["data"] == "[DONE]" else json.loads(lines["data"])))
    return said


async def test_a_council_answers_with_its_opinions_its_tokens_and_their_cost(api: Api, endpoint: LlmProcess) -> None:
    before = counts(endpoint)
    answer = await api.post("/api/v1/council", json=ASK)
    said = answer.json()

    assert answer.status_code == 200, answer.text
    assert [one["member"] for one in said["opinions"]] == ["switchboard-a", "switchboard-b", "switchboard-c"]
    assert (said["model"], said["degraded"]) == ("switchboard-chair", None)
    assert all(len(one["answer"].split()) == 12 for one in said["opinions"])
    after = counts(endpoint)
    assert (after["asked"] - before["asked"], after["tokens"] - before["tokens"]) == (4, 48)
    assert said["tokens"] > 48
    assert 0 < sum(one["cost_usd"] for one in said["opinions"]) < said["cost_usd"] < 0.01
    assert owners_of(said) == {api.data.tenants[0][0]}


async def test_it_is_kept_as_a_conversation_that_goes_on_and_is_the_tenants_alone(api: Api) -> None:
    first = (await api.post("/v1/council", json=ASK)).json()
    number = first["conversation_id"]
    again = await api.post("/v1/council", json={"question": "And when?", "conversation_id": number})
    listed = (await api.get("/api/conversations?limit=1")).json()["conversations"]
    shown = (await api.get(f"/api/conversations/{number}")).json()

    assert again.json()["conversation_id"] == number
    assert [one["id"] for one in listed] == [number]
    assert (listed[0]["turns"], listed[0]["title"]) == (10, ASK["question"])
    assert [turn["speaker"] for turn in shown["turns"]] == ["user", "member", "member", "member", "assistant"] * 2
    assert listed[0]["tokens"] == sum(turn["tokens"] for turn in shown["turns"]) > 0
    assert owners_of([listed, shown]) == {api.data.tenants[0][0]}
    assert (await api.get(f"/conversations/{number}", tenant=1)).status_code == 404
    going_on = {"question": "?", "conversation_id": number}
    assert (await api.post("/v1/council", json=going_on, tenant=1)).status_code == 404
    assert number not in [one["id"] for one in (await api.get("/conversations", tenant=1)).json()["conversations"]]


@pytest.mark.parametrize(
    "ask", [{"json": ASK | {"stream": True}}, {"json": ASK, "headers": {"accept": "text/event-stream"}}]
)
async def test_it_is_streamed_where_that_is_asked_for(api: Api, ask: dict[str, Any]) -> None:
    answer = await api.post("/v1/council", **ask)
    said = events(answer.text)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in said].count("opinion") == 3
    (council,) = [content["council"] for name, content in said if name == "council"]
    chunks = [content for name, content in said if name == "" and content != "[DONE]"]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert council["answer"] == text
    assert chunks[-1]["usage"]["completion_tokens"] == 12
    assert said[-1] == ("", "[DONE]")
    assert (await api.get(f"/conversations/{council['conversation_id']}")).status_code == 200


async def test_a_tuned_council_asks_all_at_once_and_day_one_each_in_turn(api: Api, endpoint: LlmProcess) -> None:
    behave(endpoint, first_s=0.05)
    wanted = 1 if api.shape == "day-one" else 3

    async def most_at_once() -> bool:
        await api.post("/v1/council", json=ASK)
        return counts(endpoint)["at_once_most"] >= wanted

    # On a busy machine the first of three may have answered before the last is asked: that all are asked at once has to be seen once.
    await until(most_at_once, f"{wanted} at once")
    assert counts(endpoint)["at_once_most"] == wanted


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"question": " "}, 422),
        (ASK | {"members": ["nobody"]}, 422),
        (ASK | {"members": ["switchboard-a", "switchboard-a"]}, 422),
        (ASK | {"max_tokens": 0}, 422),
        (ASK | {"conversation_id": 999_999}, 404),
        (ASK | {"members": ["switchboard-a"], "max_tokens": 3}, 200),
    ],
    ids=str,
)
async def test_what_cannot_be_asked_is_refused(api: Api, body: dict[str, Any], status: int) -> None:
    assert (await api.post("/v1/council", json=body)).status_code == status


@pytest.mark.parametrize("path", ["/v1/council", "/voice/process"])
@pytest.mark.parametrize(
    ("text", "status"),
    [(r"\u0000 note that \u0000 x", (200, 422)), (r"\ud800 call", (400, 422)), ("x" * 100_000, (422,)), ("'; drop table x; --", (200,))],
    ids=["NUL", "half a character", "too long", "SQL"],
)  # fmt: skip
async def test_odd_text_is_taken_or_refused_and_never_breaks_anything(
    api: Api, path: str, text: str, status: tuple[int, ...]
) -> None:
    body = f'{{"question": "{text}"}}' if "council" in path else f'{{"text": "{text}"}}'
    answer = await api.post(path, content=body.encode(), headers={"content-type": "application/json"})

    assert answer.status_code in status, answer.text
    assert answer.json()


async def test_each_tenant_has_a_limit_of_its_own(data: dict[str, Data], endpoint: LlmProcess) -> None:
    behave(endpoint)
    async with serving(data["tuned"], "tuned", llm=endpoint.url, councils_per_minute=2) as api:
        said = [(await api.post("/v1/council", json=ASK)).status_code for _ in range(3)]
        refused = await api.post("/v1/council", json=ASK)
        assert (await api.post("/v1/council", json=ASK, tenant=1)).status_code == 200
    assert said == [200, 200, 429]
    assert refused.json()["error"] == "too_many_requests"
    assert int(refused.headers["retry-after"]) >= 1


async def test_without_models_the_council_says_so_voice_goes_on_by_rules_and_health_has_the_reason(
    data: dict[str, Data],
) -> None:
    with LlmProcess.start(LlmSettings(**QUICK)) as gone:
        url = gone.url
    async with serving(data["tuned"], "tuned", llm=url) as api:
        council = await api.post("/v1/council", json=ASK)
        streamed = events((await api.post("/v1/council", json=ASK | {"stream": True})).text)
        spoken = await api.post("/voice/process", json={"text": "Remind me to call Ann tomorrow"})
        health = (await api.get("/health", tenant=None)).json()

    assert (council.status_code, council.json()["error"]) == (503, "models_unavailable")
    assert "switchboard-a" in council.json()["message"]
    assert streamed[-1][0] == "error"
    assert streamed[-1][1]["error"]["type"] == "models_unavailable"
    assert (spoken.status_code, spoken.json()["intent"], spoken.json()["read_by"]) == (200, "create_task", "rules")
    assert "switchboard-a" in spoken.json()["degraded"]
    assert (health["status"], health["models"]) == ("degraded", "gone")
    assert health["reasons"][0].startswith("models: ")


async def test_a_command_is_read_by_a_model_and_done(api: Api) -> None:
    lead = (await api.get("/leads?limit=1")).json()["leads"][0]

    async def say(text: str, **about: Any) -> dict[str, Any]:
        return dict((await api.post("/api/voice/process", json={"text": text, **about})).json())

    task = await say(f"Create a task to send the offer to lead {lead['id']} tomorrow")
    note = await say("Add a note that she prefers mornings", lead_id=lead["id"])
    found = await say(f"Find lead {lead['name']}")
    unknown = await say("Sing")

    assert (task["intent"], task["read_by"], task["degraded"]) == ("create_task", "switchboard-a", None)
    assert task["action"]["result"]["title"] == "send the offer tomorrow"
    assert task["action"]["result"]["lead_id"] == lead["id"]
    assert task["action"]["result"]["due_at"].startswith("2026-11-02T09:00:00")
    assert task["tokens"] > 0
    assert note["action"]["result"]["note"] == "she prefers mornings"
    assert (await api.get(f"/leads/{lead['id']}")).json()["last_activity"]["kind"] == "note"
    assert lead["name"] in [one["name"] for one in found["action"]["result"]]
    assert (unknown["intent"], unknown["action"]) == ("unknown", None)
    assert owners_of([task, note, found, unknown]) == {api.data.tenants[0][0]}
    said = (await api.get(f"/conversations/{task['conversation_id']}")).json()["turns"]
    assert [turn["speaker"] for turn in said] == ["user", "assistant"]


async def test_a_command_cannot_reach_another_tenants_lead(api: Api) -> None:
    theirs = (await api.get("/leads?limit=1", tenant=1)).json()["leads"][0]
    given = await api.post("/voice/process", json={"text": "Add a note that x", "lead_id": theirs["id"]})
    named = await api.post("/voice/process", json={"text": f"Add a note for lead {theirs['id']} that x"})
    found = await api.post("/voice/process", json={"text": f"Find lead {theirs['name']} {theirs['company']}"})

    assert (given.status_code, named.status_code) == (422, 404)
    assert found.json()["action"]["result"] == []


@pytest.mark.parametrize(
    ("text", "intent", "subject", "lead_id", "due_at"),
    [
        ("Remind me to call Ann tomorrow", "create_task", "call Ann tomorrow", None, "2026-11-02T09:00"),
        ("please follow up with lead #12 in two days", "create_task", "in two days", 12, None),
        ("Create a task: send the contract in 3 hours", "create_task", "send the contract in 3 hours", None, "2026-11-01T03:00"),
        ("note that lead 7 wants a discount", "add_note", "wants a discount", 7, None),
        ("Add a note for customer 8, he is away on Monday", "add_note", "he is away on Monday", 8, "2026-11-02T09:00"),
        ("Find Ann Lee", "find_lead", "Ann Lee", None, None),
        ("look up the lead named O'Brien.", "find_lead", "O'Brien", None, None),
        ("hello", "unknown", "hello", None, None),
        ("remindme to", "unknown", "remindme to", None, None),
        ("remind me to " * 150, "create_task", ("remind me to " * 149).strip(), None, None),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_rules_read_a_few_forms(text: str, intent: str, subject: str, lead_id: int | None, due_at: str | None) -> None:
    read = read_command(text, now=UNTIL)
    assert (read.intent, read.subject, read.lead_id) == (intent, subject, lead_id)
    assert (read.due_at and f"{read.due_at:%Y-%m-%dT%H:%M}") == due_at
