"""Switchboard: routes, isolation, shapes, data, and the service as a process."""
