"""What a page says after an action. The address carries a key only, so that nobody can put words into our mouth."""

MESSAGES = {
    "sync-requested": "The sync was asked for. It appears here as soon as it begins.",
    "enrich-requested": "The enrichment was asked for. It appears here as soon as it begins.",
    "backfill-requested": "The backfill was asked for. It appears here as soon as it begins.",
    "cancel-requested": "The job was asked to end. It does so before its next step or page.",
    "already-ended": "The job had already ended; nothing was changed.",
    "rerun-requested": "The work was asked for again, as a new run.",
    "cancelled": "Cancelled.",
    "paused": "The function is paused: events wait until it is resumed.",
    "resumed": "The function runs again.",
    "event-sent": "The event was sent again.",
    "user-added": "The account was added.",
    "user-changed": "The account was changed.",
    "search-saved": "The search was saved. What appears from now on comes by mail.",
    "search-deleted": "The search was deleted.",
    "search-stopped": "The search is stopped: no more mails.",
    "search-resumed": "The search goes on; what appeared meanwhile comes with its next mail.",
    "mail-again": "The mail is sent again with the next run of send-alerts.",
    "logged-out": "You are logged out.",
}
