"""Which route answers what; a test holds this table and the routes together."""

from __future__ import annotations

from scaleworthy.switchboard.description import nouns

# Besides JSON: what an answer's body may be.
EVENTS, TEXT, BYTES = "text/event-stream", "text/plain", "*/*"

# Method and path → status, model (or the media type of what is no JSON; None: no body).
ANSWERS: dict[tuple[str, str], tuple[int, nouns.Model | str | None]] = {
    ("get", "/health"): (200, nouns.Health),
    ("get", "/metrics"): (200, TEXT),
    ("post", "/calls/start"): (201, nouns.StartedCall),
    ("post", "/calls/end"): (200, nouns.EndedCall),
    ("get", "/calls/transcript"): (200, nouns.Transcript),
    ("post", "/calls/transcript"): (201, nouns.AddedLines),
    ("get", "/recordings"): (200, nouns.Recordings),
    ("get", "/recordings/{recording_id}/audio"): (200, BYTES),
    ("get", "/leads"): (200, nouns.Leads),
    ("get", "/leads/search"): (200, nouns.FoundLeads),
    ("post", "/leads/bulk"): (200, nouns.Written),
    ("put", "/leads/bulk"): (200, nouns.Written),
    ("get", "/leads/statistics"): (200, nouns.Statistics),
    ("post", "/leads"): (201, nouns.Lead),
    ("get", "/leads/{lead_id}"): (200, nouns.LeadWithActivities),
    ("put", "/leads/{lead_id}"): (200, nouns.Lead),
    ("delete", "/leads/{lead_id}"): (204, None),
    ("get", "/campaigns"): (200, nouns.Campaigns),
    ("get", "/users"): (200, nouns.Users),
    ("get", "/dashboard/metrics"): (200, nouns.Dashboard),
    ("get", "/analytics/overview"): (200, nouns.Overview),
    ("get", "/analytics/dashboard"): (200, nouns.Analytics),
    ("post", "/analytics/kpis"): (200, nouns.Kpis),
    ("post", "/webhooks/stripe"): (200, nouns.ReceivedEvent),
    ("post", "/files"): (201, nouns.File),
    ("get", "/files"): (200, nouns.Files),
    ("get", "/files/{file_id}"): (200, BYTES),
    ("delete", "/files/{file_id}"): (204, None),
    ("get", "/knowledge/search"): (200, nouns.FoundArticles),
    ("post", "/knowledge"): (201, nouns.Article),
    ("get", "/context"): (200, nouns.Context),
    ("post", "/integrations/asana/tasks"): (201, nouns.SentTask),
    ("get", "/integrations/asana/tasks/{task_id}"): (200, nouns.SentTask),
    ("get", "/conversations"): (200, nouns.Conversations),
    ("get", "/conversations/{conversation_id}"): (200, nouns.ConversationWithTurns),
    ("post", "/v1/council"): (200, nouns.CouncilAnswer),
    ("post", "/voice/process"): (200, nouns.Done),
}
# Answered as events where that is asked for.
ALSO_EVENTS = (("post", "/v1/council"),)
# The same with another status, and what that says.
ALSO = {
    ("get", "/health"): (503, "It cannot serve."),
    ("post", "/integrations/asana/tasks"): (202, "It is kept here, and sent when the other service takes it."),
}
# How any route may refuse.
REFUSALS = {
    400: "What was sent cannot be read, or its signature does not hold.",
    401: "No tenant has the key that was given.",
    404: "The tenant has no such thing.",
    409: "It is full.",
    413: "The body is too large.",
    415: "The body is of another kind than this route reads.",
    422: "A field is at fault.",
    429: "The tenant asks too much; `retry-after` says when it may again.",
    502: "A language model failed.",
    503: "The database, or the models, do not answer, or too many requests are at work.",
    504: "The client's deadline passed.",
}
