"""Answers as a client reads them, noun by noun. Nothing is checked by these when it is sent: tests compare them with what is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Direction = Literal["inbound", "outbound"]


class Shown(BaseModel):
    """Has these members and no others."""

    model_config = ConfigDict(extra="forbid")


class Owned(Shown):
    """Belongs to a tenant."""

    tenant_id: UUID


class Listed(Owned):
    """A page of a list; `next` is the cursor of the page after it, null at the end."""

    limit: Number
    next: str | None


class Problem(Shown):
    """A field at fault."""

    path: str
    message: str


class Refused(Shown):
    """Why not: a word for programs, a sentence for people, and the fields at fault where there are some."""

    error: str
    message: str
    problems: list[Problem] = []


class Health(BaseModel):
    """Whether the service has what it needs, and why not; with more where there is more to it: replicas, queues."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "degraded"]
    reasons: list[str]
    database: Literal["ok", "gone", "busy"]
    cache: Literal["ok", "gone"]
    models: Literal["ok", "gone", "none"]
    shape: str


class Call(Owned):
    """A phone call."""

    id: Number
    lead_id: Number | None
    phone_number: str
    direction: Direction
    status: Literal["active", "completed", "no_answer", "failed", "voicemail"]
    started_at: datetime
    ended_at: datetime | None
    duration_s: Count | None


class StartedCall(Call):
    """A call, and how many are active now."""

    active_calls: Count


class EndedCall(Call):
    """A call, and whether this report ended it."""

    ended_now: bool


class ActiveCall(Owned):
    """A call that goes on."""

    id: Number
    lead_id: Number | None
    phone_number: str
    direction: Direction
    started_at: datetime


class Line(Owned):
    """What one side said."""

    id: Number
    call_id: Number
    speaker: Literal["caller", "agent"]
    at_ms: Count
    said: str


class MediaStream(Owned):
    """How a media stream went."""

    id: Number
    call_id: Number
    reply: str
    started_at: datetime
    set_up_ms: float
    frames_received: Count
    frames_sent: Count
    frames_lost: Count
    frames_late: Count
    jitter_ms: float
    close_code: int
    close_reason: str


class Transcript(Owned):
    """What was said in a call."""

    call: Call
    lines: list[Line]
    media_streams: list[MediaStream]


class AddedLines(Owned):
    """How many lines were added."""

    call_id: Number
    added: Count


class Recording(Owned):
    """What was kept of a call."""

    id: Number
    call_id: Number
    object_key: str
    duration_s: Count
    size_bytes: Count
    created_at: datetime
    phone_number: str
    direction: Direction
    lead_id: Number | None


class Recordings(Listed):
    """Recordings, newest first."""

    recordings: list[Recording]


class LeadOwner(Owned):
    """Who cares for a lead."""

    id: Number
    name: str
    email: str


class LeadActivity(Owned):
    """What was done last."""

    id: Number
    kind: str
    note: str
    occurred_at: datetime


class Activity(LeadActivity):
    """What was done."""

    lead_id: Number
    user_id: Number | None


class Lead(Owned):
    """Someone the tenant may sell to."""

    id: Number
    name: str
    email: str | None
    phone: str | None
    company: str | None
    status: Literal["new", "contacted", "qualified", "won", "lost"]
    source: Literal["web", "phone", "referral", "import", "event"]
    score: Annotated[int, Field(ge=0, le=100)]
    value_cents: Count
    campaign_id: Number | None
    owner: LeadOwner | None
    last_activity: LeadActivity | None
    created_at: datetime
    updated_at: datetime


class LeadWithActivities(Lead):
    """A lead and its ten latest activities."""

    activities: list[Activity]


class Leads(Listed):
    """Leads, newest first."""

    leads: list[Lead]


class FoundLeads(Owned):
    """Leads that were searched for, newest first."""

    query: str
    leads: list[Lead]
    limit: Number


class FailedRow(Shown):
    """A lead that was not written, by its place among those given."""

    index: Count
    reason: str


class Written(Owned):
    """What became of leads that were written together."""

    successful: Count
    failed: Count
    errors: list[FailedRow]


class Statistics(Owned):
    """Leads by status and source."""

    total: Count
    by_status: dict[str, Count]
    by_source: dict[str, Count]
    value_cents: Count
    average_score: float


class Campaign(Owned):
    """What a tenant does to win leads."""

    id: Number
    name: str
    channel: Literal["phone", "email", "sms"]
    status: Literal["draft", "running", "paused", "finished"]
    budget_cents: int
    created_at: datetime
    leads: Count


class Campaigns(Owned):
    """Campaigns."""

    campaigns: list[Campaign]


class User(Owned):
    """One of the tenant's people."""

    id: Number
    name: str
    email: str
    role: Literal["admin", "manager", "agent"]
    created_at: datetime


class Users(Owned):
    """Users."""

    users: list[User]


class LeadsToday(Shown):
    """Leads, all and new."""

    total: Count
    new_7d: Count


class CallsToday(Shown):
    """Calls of the last day and week."""

    started_24h: Count
    completed_7d: Count
    average_duration_s: Count


class Dashboard(Owned):
    """Today at a glance."""

    leads: LeadsToday
    calls: CallsToday
    activities_24h: Count
    revenue_30d_cents: Count
    active_calls: list[ActiveCall]


class CallsOfDay(Shown):
    """A day's calls."""

    day: date
    calls: Count
    completed: Count
    talk_s: Count


class LeadsOfDay(Shown):
    """A day's new leads."""

    day: date
    leads: Count


class Analytics(Owned):
    """Thirty days by day."""

    calls_per_day: list[CallsOfDay]
    leads_per_day: list[LeadsOfDay]
    leads_by_status: dict[str, Count]
    leads_by_source: dict[str, Count]


class LeadKpis(Shown):
    """Leads of a range of days."""

    leads: Count
    won: Count
    qualified: Count


class CallKpis(Shown):
    """Calls of a range of days."""

    calls: Count
    completed: Count
    talk_s: Count


class Kpis(Owned):
    """Key figures of a range of days."""

    date_range: Literal["24h", "7d", "30d", "90d"]
    leads: LeadKpis
    calls: CallKpis
    activities: Count
    payments: Count
    revenue_cents: Count
    conversion_ratio: Ratio
    connected_ratio: Ratio
    average_talk_s: Count


class Figures(Shown):
    """Figures of thirty days."""

    leads: Count
    won: Count
    qualified: Count
    calls: Count
    completed: Count
    talk_s: Count
    activities: Count
    payments: Count
    revenue_cents: Count


class Overview(Owned):
    """Thirty days beside the thirty before them."""

    last_30_days: Figures
    before: Annotated[Figures, Field(alias="30_days_before")]


class ReceivedEvent(Owned):
    """A payment event that was taken."""

    received: Literal[True]
    event_id: str
    duplicate: bool
    queued: bool = False


class File(Owned):
    """A file."""

    id: Number
    call_id: Number | None
    name: str
    content_type: str
    size_bytes: Count
    sha256: str
    created_at: datetime


class Files(Owned):
    """The latest files."""

    files: list[File]


class Article(Owned):
    """Something to know."""

    id: Number
    title: str
    body: str
    created_at: datetime


class FoundArticle(Article):
    """An article, and how near it is to what was asked."""

    score: Annotated[float, Field(ge=-1, le=1.0001)]


class FoundArticles(Owned):
    """Articles, nearest first."""

    query: str
    results: list[FoundArticle]


class Task(Owned):
    """Something to do about a lead."""

    id: Number
    lead_id: Number | None
    title: str
    status: Literal["open", "done"]
    due_at: datetime | None
    created_at: datetime
    delivery: Literal["local", "queued", "delivered", "refused"]


class TaskWithNotes(Task):
    """A task with what more was said of it."""

    notes: str


class SentTask(TaskWithNotes):
    """A task that another service is to have, and how far that is."""

    remote_id: str | None
    attempts: Count
    last_error: str | None


class Context(Owned):
    """What an agent sees when a call comes."""

    lead: Lead | None
    calls: list[Call]
    tasks: list[Task]
    knowledge: list[FoundArticle]


class Turn(Owned):
    """What one side of a conversation said."""

    id: Number
    conversation_id: Number
    speaker: Literal["user", "member", "assistant"]
    said: str
    model: str | None
    tokens: Count
    cost_usd: float | None
    created_at: datetime


class Conversation(Owned):
    """What was asked and answered."""

    id: Number
    channel: Literal["council", "voice"]
    lead_id: Number | None
    title: str
    created_at: datetime
    updated_at: datetime


class ConversationWithTurns(Conversation):
    """A conversation and its turns in order."""

    turns: list[Turn]


class ListedConversation(Conversation):
    """A conversation, how many turns it has, and the tokens they used."""

    turns: Count
    tokens: Count


class Conversations(Listed):
    """Conversations, newest first."""

    conversations: list[ListedConversation]


class Opinion(Shown):
    """What a member of the council answered, or why it did not."""

    member: str
    answer: str | None
    reason: str | None
    tokens: Count
    cost_usd: float | None
    cached: bool


class CouncilAnswer(Owned):
    """What the council answered."""

    conversation_id: Number
    answer: str
    model: str
    degraded: str | None
    opinions: list[Opinion]
    tokens: Count
    cost_usd: float


class Note(Owned):
    """A note that was added to a lead."""

    id: Number
    lead_id: Number
    kind: Literal["note"]
    note: str
    occurred_at: datetime


class NamedLead(Owned):
    """A lead that was looked for by its name."""

    id: Number
    name: str
    company: str | None
    status: str
    phone: str | None


class Action(Shown):
    """What was done."""

    type: Literal["task", "note", "leads"]
    result: TaskWithNotes | Note | list[NamedLead]


class Done(Owned):
    """What a voice command was read as, and what came of it."""

    conversation_id: Number
    intent: Literal["create_task", "add_note", "find_lead", "unknown"]
    subject: str
    read_by: str
    degraded: str | None
    action: Action | None
    reply: str
    tokens: Count
    cost_usd: float | None


Model = type[BaseModel]
