"""Commands of the checkout: pages made from the code, an engine for Docker."""
