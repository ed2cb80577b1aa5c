"""Many leads by one request: the good ones are in, each other one has its reason, alike in both shapes."""

import psycopg
import pytest

from scaleworthy.servers import Postgres

from .running import Api, Data, fill, serving

GOOD = {"name": "Ann Lee", "phone": "+1 555 0100", "score": 40}


def theirs(data: Data, table: str) -> int:
    """Something of tenant 1's."""
    [(number,)] = data.rows(f"select min(id) from {table} where tenant_id = %s", [data.tenants[1][0]])
    return int(number)


async def test_good_leads_are_in_and_bad_ones_have_their_reason(api: Api) -> None:
    owner, campaign = theirs(api.data, "users"), theirs(api.data, "campaigns")
    given = [
        GOOD,
        {"name": ""},
        GOOD | {"email": "nobody"},
        GOOD | {"name": "a\0b"},
        GOOD | {"owner_id": owner},
        GOOD | {"campaign_id": campaign},
        GOOD | {"colour": "red"},
        {"name": "Zoë", "status": "won"},
    ]
    answer = await api.post("/api/leads/bulk", json={"leads": given})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["tenant_id"], body["successful"], body["failed"]) == (api.data.tenants[0][0], 2, 6)
    assert body["errors"] == [
        {"index": 1, "reason": "name: String should have at least 1 character"},
        {"index": 2, "reason": "email: String should match pattern '^[^@\\s]+@[^@\\s]+$'"},
        {"index": 3, "reason": "PostgreSQL text fields cannot contain NUL (0x00) bytes"},
        {"index": 4, "reason": "owner_id: this tenant has no such owner"},
        {"index": 5, "reason": "campaign_id: this tenant has no such campaign"},
        {"index": 6, "reason": "colour: Extra inputs are not permitted"},
    ]
    newest = (await api.get("/leads?limit=2")).json()["leads"]
    assert [(lead["name"], lead["status"]) for lead in newest] == [("Zoë", "won"), ("Ann Lee", "new")]
    assert newest[0]["last_activity"]["kind"] == "created"
    shown = (await api.get(f"/leads/{newest[1]['id']}")).json()
    assert [activity["note"] for activity in shown["activities"]] == ["Lead created"]


async def test_all_or_nothing_is_nothing_where_one_is_bad(api: Api) -> None:
    [(before,)] = api.data.rows("select count(*) from leads")
    for bad in ({"name": ""}, GOOD | {"name": "a\0b"}, GOOD | {"owner_id": theirs(api.data, "users")}):
        answer = await api.post("/leads/bulk", json={"leads": [GOOD, bad, GOOD], "all_or_nothing": True})
        assert (answer.json()["successful"], answer.json()["failed"]) == (0, 3)
        assert [error["index"] for error in answer.json()["errors"]] == [1]
    assert api.data.rows("select count(*) from leads") == [(before,)]
    whole = await api.post("/leads/bulk", json={"leads": [GOOD, GOOD], "all_or_nothing": True})
    assert (whole.json()["successful"], whole.json()["errors"]) == (2, [])


async def test_leads_are_changed_each_by_the_fields_it_names(api: Api) -> None:
    created = [(await api.post("/leads", json=GOOD)).json()["id"] for _ in range(3)]
    given = [
        {"id": created[0], "status": "won", "score": 90},
        {"id": created[1], "company": None, "name": "Zoë"},
        {"id": theirs(api.data, "leads"), "score": 1},
        {"id": created[2], "score": 101},
        {"id": created[0], "score": 1},
        {"id": created[2], "owner_id": theirs(api.data, "users")},
        {"score": 5},
    ]
    body = (await api.send("PUT", "/api/leads/bulk", json={"leads": given})).json()
    assert (body["successful"], body["failed"]) == (2, 5)
    assert body["errors"] == [
        {"index": 2, "reason": f"there is no lead {given[2]['id']}"},
        {"index": 3, "reason": "score: Input should be less than or equal to 100"},
        {"index": 4, "reason": f"id: lead {created[0]} is given twice"},
        {"index": 5, "reason": "owner_id: this tenant has no such owner"},
        {"index": 6, "reason": "id: Field required"},
    ]
    first, second = [(await api.get(f"/leads/{number}")).json() for number in created[:2]]
    assert (first["status"], first["score"], first["name"]) == ("won", 90, "Ann Lee")
    assert (second["name"], second["score"]) == ("Zoë", 40)


@pytest.mark.parametrize(
    "leads", [[], [GOOD] * 1_001, [1], "leads", None], ids=["none", "too many", "number", "text", "null"]
)
async def test_what_is_no_list_of_leads_is_refused(api: Api, leads: object) -> None:
    answer = await api.post("/leads/bulk", json={"leads": leads})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


async def test_a_thousand_are_in_by_few_statements(data: dict[str, Data]) -> None:
    async with serving(data["tuned"], "tuned") as api:
        body = (await api.post("/leads/bulk", json={"leads": [GOOD] * 1_000})).json()
        assert (body["successful"], body["errors"]) == (1_000, [])


WORDS = ["ann", "Ann", "a_n", "50%", "lee ann", "@", "555", "zz zz", "o", "\\", "ann & !", "x" * 100]


@pytest.fixture(scope="module")
def searched(postgres: Postgres) -> dict[str, Data]:
    """The same leads as each shape has them, with some that are hard to find."""
    hard = ["Ann Lee", "Lee, ANN", "Annabel Zoë", "50% off", "a_n", "back\\slash", "O'Neil & Sons", "o@example.org"]
    found = {}
    for shape, sets in (("day-one", ()), ("tuned", ("tuned",))):
        data = fill(postgres, f"searched_{len(sets)}", sets=tuple(sets))
        for tenant, _ in data.tenants[:2]:
            data.rows(
                "insert into leads (tenant_id, name, status, source, score, value_cents, created_at, updated_at)"
                " select %s, name, 'new', 'web', 0, 0, '2026-11-01'::timestamptz + n * interval '1 s', '2026-11-01'"
                " from unnest(%s::text[]) with ordinality as given(name, n)",
                [tenant, hard],
            )
        found[shape] = data
    return found


async def test_both_shapes_find_the_same_leads(searched: dict[str, Data]) -> None:
    answers: dict[str, list[object]] = {}
    for shape, data in searched.items():
        async with serving(data, shape) as api:
            for word in WORDS:
                answer = await api.get("/api/leads/search", params={"q": word, "limit": 10}, tenant=1)
                body = answer.json()
                if answer.status_code == 200:
                    assert {lead["tenant_id"] for lead in body["leads"]} <= {api.data.tenants[1][0]}
                answers.setdefault(word, []).append((answer.status_code, body))
    assert all(one == other for one, other in answers.values())

    def names(word: str) -> list[str]:
        return [lead["name"] for lead in answers[word][0][1]["leads"]]  # type: ignore[index]

    assert names("lee ann")[:2] == ["Lee, ANN", "Ann Lee"], "words in any order"
    assert "Annabel Zoë" in names("ann"), "a word by its beginning"
    assert names("a_n") == ["a_n"], "what is special in a pattern stands for itself"
    assert "50% off" in names("50%")
    assert names("zz zz") == []
    assert answers["o"][0][0] == 422  # type: ignore[index]


async def test_search_uses_its_index_under_row_level_security(postgres: Postgres) -> None:
    """ILIKE by itself does not: it is not leakproof, and the policy comes first."""
    data = fill(postgres, "planned", sets=("tuned",))
    tenant = data.tenants[0][0]
    data.rows(
        "insert into leads (tenant_id, name, status, source, score, value_cents)"
        " select %s, 'Somebody ' || md5(n::text), 'new', 'web', 0, 0 from generate_series(1, 20000) n",
        [tenant],
    )
    data.rows("vacuum analyze leads")
    said: list[str] = []
    with psycopg.connect(data.owner, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        connection.execute("load 'auto_explain'")
        connection.execute("set auto_explain.log_min_duration = 0")
        connection.execute("set auto_explain.log_nested_statements = on")
        connection.execute("set role switchboard_app")
        connection.execute("select set_config('app.current_tenant', %s, false)", [tenant])
        connection.execute("set client_min_messages = log")
        for pattern, words in (("%c4ca4238a0b%", None), ("%nobody at all%", "'c4ca4238a0b923820dcc509a6f75849b':*")):
            said.clear()
            rows = connection.execute("select leads_matching(%s, %s, 10)", [pattern, words]).fetchall()
            assert len(rows) == 1
            assert "Bitmap Index Scan on leads_search" in "\n".join(said)
        said.clear()
        plain = "select id from leads where (name || ' ' || coalesce(company, '') || ' ' || coalesce(email, '')"
        plain += " || ' ' || coalesce(phone, '')) ilike '%c4ca4238a0b%'"
        assert len(connection.execute(plain.encode()).fetchall()) == 1
        assert "leads_search" not in "\n".join(said)


async def test_nobody_can_search_as_that_role(data: dict[str, Data]) -> None:
    with psycopg.connect(data["tuned"].app, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("set role switchboard_search")
        assert connection.execute("select leads_matching('%', null, 10)").fetchall() == [], "without a tenant nothing"
