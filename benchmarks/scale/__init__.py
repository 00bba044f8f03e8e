"""How far the kit scales: launch rate, calls, capacity, payloads and cost per task, beside AWS's starter kit.

`python -m benchmarks.scale` runs both patterns and the baseline on the local AWS, with AWS's rate limits kept;
`python -m benchmarks.scale.model` runs launcher, monitor and counting alone, without processes.
"""
