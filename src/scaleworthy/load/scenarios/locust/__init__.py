"""Locust files, unchanged: what a file finds under the name `locust`, and how its users are run.

A task of Locust is synchronous code that waits inside `self.client.get()`. Here each user is a greenlet: what it waits for goes to
the event loop, which is a Python scenario's (load/scenarios/drive.py), and the greenlet goes on with the answer. An iteration is
one task with the wait after it. Nothing of Locust or gevent is needed, and nothing of theirs is in here.

Source of the behaviour: Locust's documentation (docs.locust.io, 2.x).
"""
