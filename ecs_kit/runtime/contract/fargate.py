"""Sizes that Fargate offers."""

from collections.abc import Mapping

FARGATE_MEMORY: Mapping[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""Memory in MiB that Fargate accepts per number of CPU units (Amazon ECS developer guide, "Task CPU and memory")."""

FARGATE_STORAGE_GIB = 20
"""Ephemeral storage of every Fargate task; ECS takes 21 to 200 GiB instead (API reference, EphemeralStorage)."""
