"""Agents who make calls, and people who look something up, as Python.

Against: scaleworthy switchboard serve --port 8000 (tenants.csv has the keys of its data, seed 1).
Run: scaleworthy load examples/calls.py --target http://127.0.0.1:8000 --users 20 --for 30s
"""

from scaleworthy.load import User, feed, on_start, scenario

tenants = feed("tenants.csv", order="random")


@on_start
async def choose_tenant(user: User) -> None:
    """Each user belongs to a tenant."""
    user.headers["x-tenant-key"] = user.row["key"]


@scenario(weight=70)
async def call(user: User) -> None:
    """Start a call, talk, hang up."""
    number = f"+1555{user.random.randrange(10**7):07}"
    started = await user.post("/api/calls/start", json={"phone_number": number})
    started.expect(status=201, json={"$.id": None})
    await user.think("1s..3s")
    ended = await user.post("/api/calls/end", json={"call_id": started.json()["id"], "duration": 2})
    ended.expect(status=200, json={"$.ended_now": True})


@scenario(weight=30)
async def look_up(user: User) -> None:
    """List leads and open three of them at once."""
    with user.group("look up"):
        found = await user.get("/api/leads", params={"limit": 20})
        leads = found.expect(status=200).json()["leads"]
        user.check("twenty leads", len(leads) == 20)
        await user.gather(*(user.get(f"/api/leads/{lead['id']}", name="lead") for lead in leads[:3]))
    await user.think("500ms..2s")
