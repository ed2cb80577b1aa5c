"""A shop's load test as teams write it for Locust: it runs here unchanged, `scaleworthy load examples/locust/locustfile.py`."""

import random
import time

from locust import FastHttpUser, HttpUser, SequentialTaskSet, between, constant_pacing, events, tag, task

PRODUCTS = [101, 102, 205, 317]
placed = []


@events.test_start.add_listener
def announce(environment, **kwargs):
    print(f"loading {environment.host}")


@events.request.add_listener
def remember_orders(request_type, name, exception, **kwargs):
    if name == "/orders" and exception is None:
        placed.append(name)


@events.test_stop.add_listener
def say_orders(environment, **kwargs):
    print(f"{len(placed)} orders")


class Checkout(SequentialTaskSet):
    """Into the basket, to the checkout, and out again."""

    @task
    def fill(self):
        self.client.post("/basket", json={"product": random.choice(PRODUCTS), "count": 1})

    @task
    def order(self):
        with self.client.post("/orders", json={"payment": "invoice"}, catch_response=True) as response:
            if response.status_code != 201:
                response.failure(f"no order: {response.status_code}")
            elif "id" not in response.json():
                response.failure("an order without a number")

    @task
    def leave(self):
        self.interrupt()


class Customer(HttpUser):
    host = "http://127.0.0.1:8000"
    wait_time = between(0.5, 2)
    weight = 4

    def on_start(self):
        answer = self.client.post("/login", data={"user": "anna", "password": "secret"})
        self.client.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    def on_stop(self):
        self.client.post("/logout")

    @task(5)
    def look_around(self):
        self.client.get("/products", params={"page": random.randint(1, 3)})
        time.sleep(0.2)
        self.client.get(f"/products/{random.choice(PRODUCTS)}")

    @task(2)
    @tag("search")
    def search(self):
        self.client.get("/search?q=lamp", name="/search?q=[term]")

    @task(1)
    def forgotten_page(self):
        with self.client.get("/gone", catch_response=True) as response:
            if response.status_code == 404:
                response.success()

    tasks = {Checkout: 1}


class Monitor(FastHttpUser):
    """Asks for the shop's state, once a second."""

    host = "http://127.0.0.1:8000"
    wait_time = constant_pacing(1)
    fixed_count = 1

    @task
    def state(self):
        with self.rest("GET", "/state") as response:
            assert response.js["open"] is True, "the shop is closed"
