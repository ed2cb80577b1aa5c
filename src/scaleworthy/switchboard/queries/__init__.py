"""The SQL of the service, one file per noun: plain parameterised statements, the same in every shape."""
