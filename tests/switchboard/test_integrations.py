"""Tasks reach the other service once, whatever it does meanwhile."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from scaleworthy.switchboard.asana_stub import AsanaStub
from scaleworthy.switchboard.database import Statement

from .running import Api, Data, serving


@pytest.fixture
def asana() -> Iterator[AsanaStub]:
    with AsanaStub.start() as stub:
        yield stub


@pytest.fixture(params=["day-one", "tuned"])
async def api(request: pytest.FixtureRequest, data: dict[str, Data], asana: AsanaStub) -> AsyncIterator[Api]:
    async with serving(data[request.param], request.param, tasks=asana.url) as running:
        yield running


def deliveries(api: Api) -> Any:
    return api.client._transport.app.state.service.deliveries  # type: ignore[attr-defined]


async def test_a_task_is_made_there_and_its_number_is_kept(api: Api, asana: AsanaStub) -> None:
    lead = (await api.get("/leads?limit=1")).json()["leads"][0]["id"]

    made = await api.post("/api/integrations/asana/tasks", json={"name": "Call back", "leadId": lead})
    task = made.json()

    assert (made.status_code, task["delivery"], task["attempts"]) == (201, "delivered", 1)
    assert asana.tasks[f"{task['tenant_id']}:{task['id']}"] == {"gid": task["remote_id"], "name": "Call back"}
    assert (await api.get(f"/integrations/asana/tasks/{task['id']}")).json() == task
    assert (await api.get(f"/integrations/asana/tasks/{task['id']}", tenant=1)).status_code == 404
    assert (await api.get(f"/context?lead_id={lead}")).json()["tasks"][0]["id"] == task["id"]
    theirs = await api.post("/integrations/asana/tasks", json={"title": "x", "lead_id": lead}, tenant=1)
    assert theirs.status_code == 422


async def test_while_it_is_down_tasks_are_queued_health_says_so_and_all_arrive_once_when_it_is_back(
    api: Api, asana: AsanaStub
) -> None:
    asana.down = True
    queued = [await api.post("/integrations/asana/tasks", json={"title": f"task {n}"}, tenant=n % 2) for n in range(8)]

    assert {(one.status_code, one.json()["delivery"]) for one in queued} == {(202, "queued")}
    assert "503" in queued[0].json()["last_error"]
    assert asana.asked == 5  # then the breaker is open, and nobody asks
    assert "tasks: 5 of 5 calls failed" in (await api.get("/health", tenant=None)).json()["reasons"]

    asana.down = False
    deliveries(api)._breaker._open_until = 0.0  # its two seconds are over
    api.clock.advance(seconds=60)
    await deliveries(api).look_once()
    api.clock.advance(seconds=600)
    await deliveries(api).look_once()

    assert sorted(task["name"] for task in asana.tasks.values()) == [f"task {n}" for n in range(8)]
    shown = [
        (await api.get(f"/integrations/asana/tasks/{one.json()['id']}", tenant=n % 2)).json()
        for n, one in enumerate(queued)
    ]
    assert {one["delivery"] for one in shown} == {"delivered"}
    assert (await api.get("/health", tenant=None)).json()["reasons"] == []


async def test_its_limit_queues_what_is_above_it_and_what_it_refuses_is_not_sent_again(
    api: Api, asana: AsanaStub
) -> None:
    asana.limit_per_s = 0
    limited = (await api.post("/integrations/asana/tasks", json={"title": "later"})).json()
    assert (limited["delivery"], limited["last_error"]) == ("queued", "the service of tasks answers 429")

    asana.limit_per_s = 100
    api.data.rows("update tasks set title = '' where id = %s", [limited["id"]])
    api.clock.advance(seconds=60)
    await deliveries(api).look_once()
    refused = (await api.get(f"/integrations/asana/tasks/{limited['id']}")).json()
    asked = asana.asked
    api.clock.advance(days=1)
    await deliveries(api).look_once()

    assert (refused["delivery"], refused["attempts"]) == ("refused", 2)
    assert asana.asked == asked


async def test_a_task_whose_answer_was_lost_is_made_once(api: Api, asana: AsanaStub) -> None:
    """It took the task and we did not hear of it: sent again under the same id, it is the same task there."""
    made = (await api.post("/integrations/asana/tasks", json={"title": "once"})).json()
    api.data.rows(
        "update tasks set delivery = 'queued', remote_id = null, next_attempt_at = '2020-01-01' where id = %s",
        [made["id"]],
    )

    await deliveries(api).look_once()

    again = (await api.get(f"/integrations/asana/tasks/{made['id']}")).json()
    assert (again["delivery"], again["remote_id"]) == ("delivered", made["remote_id"])
    assert len(asana.tasks) == 1


async def test_without_a_service_tasks_wait(data: dict[str, Data]) -> None:
    async with serving(data["tuned"], "tuned") as api:
        task = (await api.post("/integrations/asana/tasks", json={"title": "wait"})).json()
        assert (task["delivery"], task["last_error"]) == ("queued", "no service for tasks is configured")
        api.data.rows("delete from tasks where id = %s", [task["id"]])


async def test_looking_for_tenants_with_work_leaves_no_tenant_behind(api: Api) -> None:
    """The function acts as one tenant after the other; the statement it was called in sees none of their rows after it."""
    service = api.client._transport.app.state.service  # type: ignore[attr-defined]
    text = "select tenants_with_due_tasks(now(), 1000) as id union all select tenant_id from leads limit 1"

    assert await service.database.unscoped(Statement(text)) == []
