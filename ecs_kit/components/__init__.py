"""The Pulumi components, and the pure functions that write their documents."""
