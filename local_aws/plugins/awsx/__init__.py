"""The `awsx` plugin: the component `awsx:ec2:Vpc`, made of the `aws` plugin's resources by the engine."""
