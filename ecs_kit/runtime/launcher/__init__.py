"""The Task Launcher of pattern 1: it starts one ECS task per task of the spec."""
