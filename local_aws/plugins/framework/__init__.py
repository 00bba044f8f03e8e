"""A small framework for Pulumi resource providers: resource types are declared as tables, the protocol is here.

`values` translates property bags, `schema` describes, checks and compares them, `resource` is what a
resource type is, `servicer` speaks the engine's protocol and `serve` is the plugin's process.
"""
