"""A small framework for Pulumi resource providers: resource types are declared as tables, the protocol is here.

`values` translates property bags, `schema` describes and checks them, `diff` compares them, `resource` is what a
resource type is, `servicer` speaks the engine's protocol and `serve` is the plugin's process.
"""
