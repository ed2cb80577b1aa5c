"""`scaleworthy init`: write a scaleworthy.yaml with comments, to be edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scaleworthy.config import FILE_NAME
from scaleworthy.errors import UsageError
from scaleworthy.load.http import Target

EXAMPLE_TARGET = "http://127.0.0.1:8000"
TEMPLATE = """\
# What `scaleworthy assess` measures. Prose has one space after the #; every other # line is an option: take its # away to use it.
# ${NAME} is replaced by an environment variable; keep secrets there.

# The service's address. Anything but this machine is loaded only when you list its host under i_own.
target: {target}
#i_own: [staging.example.com]

# What users do. Without it, GET routes of {target}/openapi.json are loaded, or the address alone.
# A file with a plan (docs/reference/plan.md), or its parts here:
#scenario:
#  scenarios:
#    - name: browse
#      weight: 70
#      steps:
#        - {{get: /api/leads?limit=20, name: list leads, expect: {{status: 200}}}}
#        - {{think: 1s..3s}}
#    - name: write
#      weight: 30
#      steps:
#        - {{post: /api/leads, name: create lead, json: {{name: "Ann {{{{ $n }}}}"}}, expect: {{status: 201}}}}

# Sent with every request.
#headers: {{authorization: "Bearer ${{API_TOKEN}}"}}
# Connections and TLS.
#http: {{connections_max: 200, timeout: 10s}}

# What must hold. The limit is the most load at which all of these do.
objectives:
  - p95 < 500ms
  - failed < 1%

# The low load at which latency is compared.
baseline: 10/s

# The service's PostgreSQL (libpq DSN) and Valkey or Redis: they are observed, and the database is audited. Both are only read.
#database: ${{DATABASE_URL}}
#cache: redis://127.0.0.1:6379/0

# The service's processes on this machine: role, then process ids or text from the command line. `http` answers requests.
#processes:
#  http: "uvicorn app:app"
#  postgres: 4711

# Connections that the service's pools may open together, all processes counted.
#pool: 20

# Growth: how many users are behind the data as it is now, what they do, and which sizes are asked about.
growth:
  requests_per_user_per_minute: 6
  peak_factor: 2
#  users: 100
#  mean_to_peak: 0.2
#  utilisation_most: 0.65
#  spare_from_users: 1000
#  storage_factor: 1.5
#  hot_ratio: 0.05
#  replicas_most: 15
#  core_ratio: 1.0
#  sizes:
#    - {{name: baseline, users: 100, concurrent: 10, queries_per_day: 500, data: 10GB}}
#    - {{name: 10×, users: 1000, concurrent: 100, queries_per_day: 5000, data: 100GB}}
#    - {{name: 100×, users: 10000, concurrent: 1000, queries_per_day: 50000, data: 1TB}}

# Your own prices (TOML); list prices of a large cloud stand in for what it leaves out.
#prices: prices.toml

# Repeats the same random choices; drawn and printed where it is left out.
#seed: 1
"""


def init(
    *,
    target: Annotated[str, Parameter(name="--target")] = EXAMPLE_TARGET,
    file: Annotated[Path, Parameter(name="--file")] = Path(FILE_NAME),
) -> int:
    """Write a scaleworthy.yaml with comments, which `scaleworthy assess` reads. A file that is there is left alone.

    Examples:

        scaleworthy init

        scaleworthy init --target http://127.0.0.1:8000 --file staging.yaml

    Exit status: 0 written, 2 usage.

    Args:
        target: The service's address.
        file: Where to write it.
    """
    text = template_for(target)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise UsageError(f"{file} is there already, and is left as it is", hint="name another with --file") from None
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}", hint="name another with --file"
        ) from error
    print(f"wrote {file}: edit it, then run scaleworthy assess")
    return 0


def template_for(target: str) -> str:
    """Return the text of a scaleworthy.yaml for *target*.

    Raises:
        UsageError: Not an http or https URL with a host.
    """
    return TEMPLATE.replace("${NAME}", "${{NAME}}").format(target=Target.parse(target).url)
