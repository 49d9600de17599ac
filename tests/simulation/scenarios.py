"""Scenario texts for tests, short to play."""

SHORT = """
[precision]
jobs = 2000
mean = "50%"
p95 = "50%"
most_runs = 8
"""

STREAM = f"""
title = "a stream"
seed = 3
{SHORT}
[server]
workers = 2

[requests]
load = 0.7
service = "10ms"
variation = 1.0
"""

FLEET = """
title = "phones"

[precision]
duration = "20s"
mean = "50%"
p95 = "50%"
most_runs = 8

[server]
workers = 1

[[devices]]
name = "phones"
count = 40
pause = "500ms"
link = "up=20Mbit/s,down=56Mbit/s,rtt=10ms"
cuts = [
  { name = "image", device = "0ms", up = "150kB", server = "20ms", down = "4kB" },
  { name = "pool5", device = "200ms", up = "36864B", server = "12ms", down = "4kB" },
  { device = "400ms" },
]
"""


def asking(text: str, study: str) -> str:
    """A scenario with a study."""
    return f"{text}\n[study]\n{study}\n"
