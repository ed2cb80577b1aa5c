"""The event stream: what has happened is told to the sockets of its tenant, in every process."""
