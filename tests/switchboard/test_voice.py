"""Transcripts, files and recordings' sound, in each shape, on real PostgreSQL."""

import hashlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaleworthy.switchboard.multipart import NotAForm, boundary_of, parts_of
from scaleworthy.switchboard.queries.files import PART_BYTES
from scaleworthy.switchboard.routes.files import FILE_BYTES_MAX

from .running import Api

SOUND = os.urandom(PART_BYTES * 2 + 17)


async def a_call(api: Api, tenant: int = 0) -> int:
    return int((await api.post("/calls/start", json={"phone": "+1 555 0199"}, tenant=tenant)).json()["id"])


async def test_a_seeded_transcript_has_its_lines_in_order(api: Api) -> None:
    [(call, tenant)] = api.data.rows("select call_id, tenant_id::text from transcripts order by id limit 1")
    at = [tenant_id for tenant_id, _ in api.data.tenants].index(tenant)

    answer = (await api.get(f"/api/calls/transcript?call_id={call}", tenant=at)).json()

    assert answer["call"]["id"] == call
    assert len(answer["lines"]) == 4
    assert [line["at_ms"] for line in answer["lines"]] == sorted(line["at_ms"] for line in answer["lines"])
    assert {line["speaker"] for line in answer["lines"]} == {"caller", "agent"}
    assert (await api.get(f"/calls/transcript?call_id={call}", tenant=(at + 1) % 4)).status_code == 404


async def test_lines_are_added_all_or_none_and_a_full_transcript_takes_no_more(api: Api) -> None:
    call = await a_call(api)
    lines = [{"speaker": "caller", "at_ms": at, "said": f"line {at}"} for at in (900, 20)]

    added = await api.post("/api/calls/transcript", json={"callId": call, "lines": lines})
    shown = (await api.get(f"/calls/transcript?call_id={call}")).json()

    assert (added.status_code, added.json()["added"]) == (201, 2)
    assert [line["said"] for line in shown["lines"]] == ["line 20", "line 900"]
    many = [{"speaker": "agent", "at_ms": 1, "said": "again"}] * 200
    for _ in range(4):
        assert (await api.post("/calls/transcript", json={"call_id": call, "lines": many})).status_code == 201
    full = await api.post("/calls/transcript", json={"call_id": call, "lines": many})
    assert (full.status_code, full.json()["error"]) == (409, "transcript_full")
    assert len((await api.get(f"/calls/transcript?call_id={call}")).json()["lines"]) == 802
    assert (await api.post("/calls/transcript", json={"call_id": call, "lines": []})).status_code == 422
    assert (await api.post("/calls/transcript", json={"call_id": call, "lines": lines}, tenant=1)).status_code == 404


async def test_a_file_comes_back_as_it_went_and_is_not_sent_twice(api: Api) -> None:
    stored = await api.post("/api/files", files={"file": ("a/ünit.wav", SOUND, "audio/wav")})
    file = stored.json()

    assert stored.status_code == 201, stored.text
    assert (file["name"], file["size_bytes"], file["content_type"]) == ("ünit.wav", len(SOUND), "audio/wav")
    got = await api.get(f"/api/files/{file['id']}")
    assert got.content == SOUND
    assert got.headers["etag"] == f'"{hashlib.sha256(SOUND).hexdigest()}"'
    assert got.headers["content-disposition"] == "inline; filename*=UTF-8''%C3%BCnit.wav"
    again = await api.get(f"/files/{file['id']}", headers={"if-none-match": f'"x", {got.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert (await api.get("/files")).json()["files"][0] == file
    assert (await api.send("DELETE", f"/files/{file['id']}")).status_code == 204
    assert (await api.get(f"/files/{file['id']}")).status_code == 404
    assert api.data.rows("select count(*) from file_parts where file_id = %s", [file["id"]]) == [(0,)]


async def test_a_file_is_its_tenants_alone_even_for_who_knows_its_tag(api: Api) -> None:
    file = (await api.post("/files", files={"file": ("a.html", b"<script>", "text/html")})).json()
    tag = f'"{file["sha256"]}"'

    stolen = await api.get(f"/files/{file['id']}", tenant=1, headers={"if-none-match": tag})
    mine = await api.get(f"/files/{file['id']}")

    assert stolen.status_code == 404
    assert (await api.send("DELETE", f"/files/{file['id']}", tenant=1)).status_code == 404
    assert all(one["id"] != file["id"] for one in (await api.get("/files", tenant=1)).json()["files"])
    # An upload never becomes a page of ours.
    assert mine.headers["content-disposition"].startswith("attachment")
    assert mine.headers["x-content-type-options"] == "nosniff"
    assert mine.headers["vary"] == "x-tenant-key"


async def test_an_upload_that_cannot_be_is_refused_and_nothing_is_kept(api: Api) -> None:
    before = api.data.rows("select count(*) from files")
    call = await a_call(api, tenant=1)
    boundary = {"content-type": "multipart/form-data; boundary=x"}
    refused = [
        (413, await api.post("/files", files={"file": ("a", bytes(FILE_BYTES_MAX + 1), "a/b")})),
        (415, await api.post("/files", json={"file": "a"})),
        (415, await api.post("/files", content=b"", headers={"content-type": "multipart/form-data"})),
        (422, await api.post("/files", files={"other": ("a", b"1", "a/b")})),
        (422, await api.post("/files", content=b"--x\r\nhalf a fo", headers=boundary)),
        (422, await api.post("/files", files={"file": ("folder/", b"1", "a/b")})),
        (422, await api.post(f"/files?call_id={call}", files={"file": ("a", b"1", "a/b")})),
    ]

    assert [answer.status_code for _, answer in refused] == [status for status, _ in refused]
    assert all(set(answer.json()) >= {"error", "message"} for _, answer in refused)
    assert api.data.rows("select count(*) from files") == before


async def test_a_recordings_sound_is_the_file_of_its_call(api: Api) -> None:
    call = await a_call(api)
    await api.post(f"/files?call_id={call}", files={"file": ("call.wav", SOUND, "audio/wav")})
    await api.post("/calls/end", json={"call_id": call})
    newest = next(one for one in (await api.get("/recordings")).json()["recordings"] if one["call_id"] == call)

    sound = await api.get(f"/api/recordings/{newest['id']}/audio")

    assert (sound.status_code, sound.content) == (200, SOUND)
    assert (await api.get(f"/recordings/{newest['id']}/audio", tenant=1)).json()["error"] == "not_found"
    silent = (await api.get("/recordings?limit=100")).json()["recordings"][-1]
    assert (await api.get(f"/recordings/{silent['id']}/audio")).json()["error"] == "no_audio"


@settings(max_examples=60, deadline=None)
@given(bodies=st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_what_is_between_the_boundaries_is_the_part_whatever_it_holds(bodies: list[bytes]) -> None:
    """Line breaks, dashes and headers within a file are the file's own."""
    boundary = b"------7f1c"
    form = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n%s\r\n' % (boundary, number, body)
        for number, body in enumerate(bodies)
    )

    parts = parts_of(form + b"--%s--\r\n" % boundary, boundary)

    assert [(part.name, part.body) for part in parts] == [(f"f{n}", body) for n, body in enumerate(bodies)]


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_no_form_is_read_out_of_noise(body: bytes) -> None:
    with pytest.raises(NotAForm):
        parts_of(body.replace(b"--x", b""), b"x")


@pytest.mark.parametrize(
    "header", ["", "text/plain; boundary=x", "multipart/form-data", f"multipart/form-data; boundary={'x' * 71}"]
)
def test_a_form_needs_a_boundary(header: str) -> None:
    with pytest.raises(NotAForm):
        boundary_of(header)
